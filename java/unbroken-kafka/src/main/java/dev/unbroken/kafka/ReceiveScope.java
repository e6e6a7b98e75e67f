package dev.unbroken.kafka;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;

/** The block in which the records of one poll are handled. */
public final class ReceiveScope implements AutoCloseable {

    private final Context context;

    ReceiveScope(Context context) {
        this.context = context;
    }

    /**
     * Returns the span of the poll; one that does not record where none is made.
     *
     * @return never null
     */
    public Span span() {
        return Span.fromContext(context);
    }

    /**
     * Returns the context of the block, to carry into other threads.
     *
     * @return never null
     */
    public Context context() {
        return context;
    }

    /**
     * Remembers that processing failed; {@link #close} puts the last one on the span.
     *
     * @param error what the handler threw; null takes an earlier one back
     */
    public void fail(Throwable error) {}

    /** Makes the context what it was before (on the thread that opened the block) and ends the span, once. */
    @Override
    public void close() {}
}
