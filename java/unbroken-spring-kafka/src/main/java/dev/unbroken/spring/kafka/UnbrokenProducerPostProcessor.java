package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.Unbroken;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.producer.Producer;
import org.springframework.kafka.core.ProducerPostProcessor;

/**
 * Makes every producer of a factory a traced one: a PRODUCER span of each record, which ends when the broker has
 * acknowledged it, and one {@code traceparent} on the wire, which replaces any that the record came with.
 *
 * <p>Templates, transactions and the recoverer of dead letters send through producers of a factory, so all of them are
 * covered. To be added with {@code factory.addPostProcessor(…)}.
 *
 * @param <K> type of the keys
 * @param <V> type of the values
 */
public final class UnbrokenProducerPostProcessor<K, V> implements ProducerPostProcessor<K, V> {

    private final Supplier<Unbroken> unbroken;
    private final ClientFacts facts;

    /**
     * Returns a post-processor.
     *
     * @param unbroken makes the spans
     */
    public UnbrokenProducerPostProcessor(Unbroken unbroken) {
        this(unbroken, Map.of());
    }

    /**
     * Returns a post-processor that knows the settings of its producers.
     *
     * @param unbroken makes the spans
     * @param settings the producers' settings, of which the server is put on the spans
     */
    public UnbrokenProducerPostProcessor(Unbroken unbroken, Map<String, ?> settings) {
        this(
                UnbrokenRecordInterceptor.constant(unbroken),
                new ClientFacts(UnbrokenRecordInterceptor.constant(settings)));
    }

    UnbrokenProducerPostProcessor(Supplier<Unbroken> unbroken, ClientFacts facts) {
        this.unbroken = unbroken;
        this.facts = facts;
    }

    @Override
    public Producer<K, V> apply(Producer<K, V> producer) {
        return unbroken.get().traced(producer, facts.of(producer));
    }
}
