package dev.unbroken.spring.kafka;

import io.opentelemetry.context.Context;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.kafka.listener.RecordInterceptor;

/** Sees on the container's thread, before each poll, which context a record has left there. */
class ContextProbe implements RecordInterceptor<Object, Object> {

    private final BlockingQueue<Context> polls = new LinkedBlockingQueue<>();

    @Override
    public ConsumerRecord<Object, Object> intercept(
            ConsumerRecord<Object, Object> record, Consumer<Object, Object> consumer) {
        return record;
    }

    @Override
    public void setupThreadState(Consumer<?, ?> consumer) {
        polls.add(Context.current());
    }

    /** Returns the context of the next poll. */
    Context awaitPoll() {
        polls.clear();
        try {
            Context next = polls.poll(120, TimeUnit.SECONDS);
            if (next == null) {
                throw new AssertionError("no poll");
            }
            return next;
        } catch (InterruptedException interrupt) {
            throw new AssertionError(interrupt);
        }
    }
}
