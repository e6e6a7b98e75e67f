package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.ReceiveScope;
import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextKey;
import io.opentelemetry.context.Scope;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** The receive block of one batch, in whose context the facts of its consumer are. */
final class BatchBlock {

    private static final ContextKey<ConsumerFacts> CONSUMER = ContextKey.named("unbroken-batch-consumer");

    private final ReceiveScope receiving;
    private final Scope known;

    private BatchBlock(ReceiveScope receiving, Scope known) {
        this.receiving = receiving;
        this.known = known;
    }

    static BatchBlock open(
            Unbroken unbroken, Iterable<? extends ConsumerRecord<?, ?>> records, ConsumerFacts consumer) {
        ReceiveScope receiving = unbroken.receive(records, consumer);
        return new BatchBlock(
                receiving, Context.current().with(CONSUMER, consumer).makeCurrent());
    }

    /** Returns what is known of the consumer of the batch around, wherever its context has been carried. */
    static ConsumerFacts consumer() {
        ConsumerFacts consumer = Context.current().get(CONSUMER);
        return consumer == null ? ConsumerFacts.UNKNOWN : consumer;
    }

    void end(Throwable error) {
        known.close();
        if (error != null) {
            receiving.fail(error);
        }
        receiving.close();
    }
}
