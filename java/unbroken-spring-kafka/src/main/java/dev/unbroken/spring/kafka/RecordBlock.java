package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.ProcessScope;
import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.context.Context;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * The block of one record of a listener container. It begins and ends on the container's thread; its span may wait for
 * the future of an asynchronous listener.
 */
final class RecordBlock {

    /** On the span of a delivery that was put off, because the record's time in a retry topic has not come. */
    static final String POSTPONED = "unbroken.message.postponed";

    /** Of the thread, so that a listener, which does not see the interceptor, finds its block. */
    private static final ThreadLocal<RecordBlock> CURRENT = new ThreadLocal<>();

    private final ConsumerRecord<?, ?> record;
    private final ProcessScope scope;
    private boolean hasFailed;
    private boolean isWaiting;
    private boolean isOver;

    private RecordBlock(ConsumerRecord<?, ?> record, ProcessScope scope) {
        this.record = record;
        this.scope = scope;
    }

    static RecordBlock open(Unbroken unbroken, ConsumerRecord<?, ?> record, ConsumerFacts consumer) {
        RecordBlock block = new RecordBlock(record, unbroken.open(record, consumer));
        RecordBlock around = CURRENT.get();
        if (around == null || around.record != record) { // else another interceptor's: it is that one's span
            CURRENT.set(block);
        }
        return block;
    }

    /** Returns the block that is open on this thread, or null. */
    static RecordBlock current() {
        return CURRENT.get();
    }

    /** Returns whether this is the block of a record; an interceptor may have put another object in its place. */
    boolean isOf(ConsumerRecord<?, ?> other) {
        return record == other
                || (record.offset() == other.offset()
                        && record.partition() == other.partition()
                        && record.topic().equals(other.topic()));
    }

    Context context() {
        return scope.context();
    }

    /** Remembers what the container reports. */
    void failed(Exception error) {
        if (ListenerErrors.isBackoff(error)) {
            scope.span().setAttribute(POSTPONED, true);
        } else {
            fail(ListenerErrors.cause(error));
        }
    }

    /** Remembers an error; no future is waited for any more. */
    synchronized void fail(Throwable error) {
        isWaiting = false;
        hasFailed = true;
        scope.fail(error);
    }

    /** Remembers that the container has not reported the end, unless it is known already what went wrong. */
    synchronized void abandoned() {
        if (!hasFailed) {
            fail(new RecordAbandoned());
        }
    }

    /** Lets the span wait for {@link #completed}. */
    synchronized void await() {
        isWaiting = true;
    }

    /** Ends the block on the thread that has opened it, and the span unless that is waiting. */
    void end() {
        if (CURRENT.get() == this) {
            CURRENT.set(null); // not removed: the next record of this thread would have to make the entry anew
        }
        scope.detach();
        synchronized (this) {
            isOver = true;
            if (isWaiting) {
                return;
            }
        }
        scope.close();
    }

    /** Ends what {@link #await} has let wait, on any thread. */
    void completed(Throwable error) {
        synchronized (this) {
            if (!isWaiting) {
                return;
            }
            isWaiting = false;
            if (error != null) {
                scope.fail(error);
            }
            if (!isOver) {
                return;
            }
        }
        scope.close();
    }
}
