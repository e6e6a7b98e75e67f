package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextKey;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.common.InstrumentationScopeInfo;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.io.IOException;
import java.math.BigInteger;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ProcessTest {

    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();
    private final ConsumerRecord<String, String> record = Records.record("traceparent", Records.TRACEPARENT);

    @AfterEach
    void theContextIsCleanAfterwards() {
        telemetry.close();
        assertSame(Context.root(), Context.current());
    }

    @Test
    void aPlaceThatARecordDoesNotHaveIsOnNoSpan() {
        unbroken.process(new ConsumerRecord<>("orders", -1, -1, "order-17", "{}"), record -> {});
        assertNull(telemetry.span().getAttributes().get(Semconv.PARTITION));
        assertNull(telemetry.span().getAttributes().get(Semconv.OFFSET));
    }

    @Test
    void aKeyThatIsAVeryLongNumberIsCut() {
        BigInteger key = BigInteger.ONE.shiftLeft(10_000);
        unbroken.process(new ConsumerRecord<>("orders", 0, 0, key, "{}"), record -> {});
        assertEquals(1024, telemetry.span().getAttributes().get(Semconv.KEY).length());
    }

    @Test
    void theSpanOfTheRecordIsCurrentInTheHandler() {
        unbroken.process(
                record,
                given -> assertEquals(
                        Records.TRACE, Span.current().getSpanContext().getTraceId()));
        assertEquals(Records.SPAN, telemetry.span("process orders").getParentSpanId());
    }

    @Test
    void theScopeOfTheInstrumentationIsOurs() {
        unbroken.process(record, given -> {});
        assertEquals(
                InstrumentationScopeInfo.builder("unbroken")
                        .setVersion(Tracing.VERSION)
                        .setSchemaUrl("https://opentelemetry.io/schemas/1.44.0")
                        .build(),
                telemetry.span().getInstrumentationScopeInfo());
    }

    @Test
    void aFunctionsResultComesOut() {
        assertEquals("{}", unbroken.call(record, ConsumerRecord::value));
    }

    @Test
    void aCheckedExceptionPassesUntouched() {
        IOException error = new IOException("disk full");
        assertSame(
                error,
                assertThrows(
                        IOException.class,
                        () -> unbroken.process(record, given -> {
                            throw error;
                        })));
    }

    @Test
    void anExceptionIsRecordedOnce() {
        assertThrows(
                IllegalStateException.class,
                () -> unbroken.process(record, given -> {
                    throw new IllegalStateException("no such customer");
                }));
        SpanData span = telemetry.span();
        assertEquals(StatusCode.ERROR, span.getStatus().getStatusCode());
        assertEquals("IllegalStateException: no such customer", span.getStatus().getDescription());
        assertEquals("java.lang.IllegalStateException", span.getAttributes().get(Semconv.ERROR_TYPE));
        assertEquals(1, span.getEvents().size());
    }

    @Test
    void anErrorEndsTheSpanToo() {
        assertThrows(
                StackOverflowError.class,
                () -> unbroken.process(record, given -> {
                    throw new StackOverflowError();
                }));
        assertEquals(
                "java.lang.StackOverflowError", telemetry.span().getAttributes().get(Semconv.ERROR_TYPE));
    }

    @Test
    void anErrorThatIsTakenBackIsNone() {
        ProcessScope scope = unbroken.open(record);
        scope.fail(new IOException("at the first attempt"));
        scope.fail(null);
        scope.close();
        assertEquals(StatusCode.UNSET, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void anExceptionWithoutATextIsNamed() {
        ProcessScope scope = unbroken.open(record);
        scope.fail(new RuntimeException() {
            private static final long serialVersionUID = 1;

            @Override
            public String getMessage() {
                throw new IllegalStateException("no text");
            }
        });
        scope.close();
        assertEquals(StatusCode.ERROR, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void theSameRecordInsideItsBlockIsTheSameBlock() {
        unbroken.process(record, outer -> {
            Span span = Span.current();
            unbroken.process(record, inner -> assertSame(span, Span.current()));
            assertSame(span, Span.current());
        });
        assertEquals(1, telemetry.spans().size());
    }

    @Test
    void theSameRecordInABatchInsideItsBlockIsTheSameBlock() {
        try (ProcessScope outer = unbroken.open(record);
                ReceiveScope batch = unbroken.receive(List.of(record));
                ProcessScope inner = unbroken.open(record)) {
            assertSame(outer.span(), inner.span());
        }
        assertEquals(2, telemetry.spans().size());
    }

    @Test
    void anotherRecordInsideTheBlockHasItsOwnTrace() {
        unbroken.process(
                record,
                outer -> unbroken.process(
                        Records.record("traceparent", Records.OTHER_TRACEPARENT),
                        inner -> assertEquals(
                                Records.OTHER_TRACE,
                                Span.current().getSpanContext().getTraceId())));
        assertEquals(2, telemetry.spans().size());
    }

    @Test
    void aRecordWithoutAContextNeverJoinsTheAmbientTrace() {
        Span ambient =
                telemetry.sdk().getTracer("test").spanBuilder("poll loop").startSpan();
        try (Scope scope = ambient.makeCurrent()) {
            unbroken.process(
                    Records.record(),
                    given -> assertNotEquals(
                            ambient.getSpanContext().getTraceId(),
                            Span.current().getSpanContext().getTraceId()));
            assertSame(ambient, Span.current());
        }
        assertEquals(
                ambient.getSpanContext(), telemetry.span().getLinks().get(0).getSpanContext());
    }

    @Test
    void whatElseIsInTheContextStays() {
        ContextKey<String> key = ContextKey.named("tenant");
        try (Scope scope = Context.current().with(key, "blue").makeCurrent()) {
            unbroken.process(
                    record, given -> assertEquals("blue", Context.current().get(key)));
        }
    }

    @Test
    void theBaggageIsTheRecords() {
        ConsumerRecord<String, String> carrying =
                Records.record("traceparent", Records.TRACEPARENT, "baggage", "tenant=bl%C3%BC;p=1");
        try (Scope scope =
                Baggage.builder().put("tenant", "red").put("other", "x").build().makeCurrent()) {
            unbroken.process(carrying, given -> {
                assertEquals("blü", Baggage.current().getEntryValue("tenant"));
                assertEquals(1, Baggage.current().size());
            });
            assertEquals("red", Baggage.current().getEntryValue("tenant"));
        }
    }

    @Test
    void aRecordOfAnIgnoredTopicIsLeftAlone() {
        Unbroken selective = Unbroken.create(
                telemetry.sdk(), Policy.builder().ignore(List.of("ord*")).build());
        selective.process(
                record, given -> assertFalse(Span.current().getSpanContext().isValid()));
        assertEquals(0, telemetry.spans().size());
    }

    @Test
    void withoutAnSdkTheContextTravels() {
        for (Correlation correlation : Correlation.values()) {
            Policy policy = Policy.builder().correlation(correlation).build();
            Unbroken.create(OpenTelemetry.noop(), policy)
                    .process(
                            record,
                            given -> assertEquals(
                                    Records.SPAN,
                                    Span.current().getSpanContext().getSpanId()));
        }
    }

    @Test
    void closingTwiceEndsOnce() {
        ProcessScope scope = unbroken.open(record);
        scope.close();
        try (Scope after = Context.current().with(Span.getInvalid()).makeCurrent()) {
            Context current = Context.current();
            scope.close();
            assertSame(current, Context.current());
        }
        assertEquals(1, telemetry.spans().size());
    }

    @Test
    void aDetachedBlockLeavesTheThreadAndEndsItsSpanWithItsFuture() throws Exception {
        ProcessScope scope = unbroken.open(record);
        scope.detach();
        assertSame(Context.root(), Context.current());
        assertEquals(0, telemetry.spans().size());
        CompletableFuture.runAsync(scope::close).get();
        assertEquals(1, telemetry.spans().size());
    }

    @Test
    void whatTheHandlerLeavesAttachedGoesWithTheBlock() {
        unbroken.process(record, given -> {
            Context.current().with(Span.getInvalid()).makeCurrent();
        });
        assertSame(Context.root(), Context.current());
    }

    @Test
    void blocksThatAreClosedOutOfOrderLeaveACleanContext() {
        ProcessScope outer = unbroken.open(record);
        ProcessScope inner = unbroken.open(Records.record());
        outer.close();
        assertSame(Context.root(), Context.current());
        inner.close();
        assertSame(Context.root(), Context.current());
        assertEquals(2, telemetry.spans().size());
    }

    @Test
    void aBlockThatIsClosedOnAnotherThreadEndsItsSpanThere() throws Exception {
        ProcessScope scope = unbroken.open(record);
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            executor.submit(() -> {
                        try (Scope own = Context.root().with(Span.getInvalid()).makeCurrent()) {
                            Context current = Context.current();
                            scope.close();
                            assertSame(current, Context.current());
                        }
                    })
                    .get();
            assertEquals(1, telemetry.spans().size());
            assertSame(scope.context(), Context.current());
        } finally {
            executor.shutdownNow();
            scope.close();
        }
        assertSame(Context.root(), Context.current());
        assertEquals(1, telemetry.spans().size());
    }
}
