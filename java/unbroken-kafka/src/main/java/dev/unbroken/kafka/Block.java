package dev.unbroken.kafka;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextKey;
import io.opentelemetry.context.ImplicitContextKeyed;
import io.opentelemetry.context.Scope;
import java.util.concurrent.atomic.AtomicBoolean;

/** A block in which a context is current on the thread that opened it; the context knows its innermost block. */
abstract sealed class Block implements AutoCloseable, ImplicitContextKeyed permits ProcessScope, ReceiveScope {

    private static final ContextKey<Block> KEY = ContextKey.named("unbroken-block");

    private final Context before;
    private final Thread thread = Thread.currentThread();
    private final AtomicBoolean closed = new AtomicBoolean();
    private Context inside;
    private Scope scope;
    private boolean wasThrownOut;
    private volatile Throwable error;

    Block(Context before) {
        this.before = before;
        this.inside = before;
    }

    /** Returns the innermost block of a context, or null. */
    static Block of(Context context) {
        return context.get(KEY);
    }

    /** Returns the block around this one, or null. */
    final Block outer() {
        return of(before);
    }

    /**
     * Returns the span of the block; one that does not record where none is made.
     *
     * @return never null
     */
    public abstract Span span();

    /**
     * Returns the context of the block, to carry into other threads.
     *
     * @return never null
     */
    public final Context context() {
        return inside;
    }

    /**
     * Remembers that the block failed; {@link #close} puts the last error on the span. Any thread may tell it.
     *
     * @param error what the application's code threw; null takes an earlier one back
     */
    public final void fail(Throwable error) {
        this.error = error;
    }

    /**
     * Makes the context what it was before, on the thread that opened the block, and ends the span; each is done once.
     * On another thread it ends the span and leaves the context of that thread alone.
     */
    @Override
    public final void close() {
        detach();
        if (closed.compareAndSet(false, true)) {
            end(error);
        }
    }

    /**
     * Makes the context what it was before, on the thread that opened the block. The span goes on until {@link #close},
     * which any thread may call then. A second call does nothing, nor does a call on another thread.
     */
    public final void detach() {
        try {
            leave();
        } catch (Throwable failure) {
            Failures.survived("the end of a block", failure);
        }
    }

    @Override
    public final Context storeInContext(Context context) {
        return context.with(KEY, this);
    }

    /** Ends what the block has started. Never raises. */
    abstract void end(Throwable error);

    final void attach(Context context) {
        inside = context;
        scope = context.makeCurrent();
    }

    private void leave() {
        if (scope == null || Thread.currentThread() != thread || wasThrownOut) {
            return;
        }
        Context current = Context.current();
        if (current != inside) { // what was attached in the block and left there goes too
            throwOut(of(current));
        }
        scope.close();
        scope = null;
        if (Context.current() != before) {
            before.makeCurrent(); // no scope to close: this is where the thread was before the block
        }
    }

    /** Tells the blocks that were opened inside this one that they have no context to make current any more. */
    private void throwOut(Block left) {
        for (Block block = left; block != null && block != this; block = block.outer()) {
            if (block.thread == thread) {
                block.wasThrownOut = true;
            }
        }
    }
}
