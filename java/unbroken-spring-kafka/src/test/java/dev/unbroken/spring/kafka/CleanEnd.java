package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.opentelemetry.context.Context;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Holds that each test ends with the context that it began with, and that every span has ended. */
final class CleanEnd implements BeforeEachCallback, AfterEachCallback {

    private final Spans spans;
    private Context before;

    CleanEnd(Spans spans) {
        this.spans = spans;
    }

    /** Returns the context with which the test began. */
    Context before() {
        return before;
    }

    @Override
    public void beforeEach(ExtensionContext test) {
        before = Context.current();
    }

    @Override
    public void afterEach(ExtensionContext test) {
        assertSame(before, Context.current());
        assertEquals(0, spans.open());
    }
}
