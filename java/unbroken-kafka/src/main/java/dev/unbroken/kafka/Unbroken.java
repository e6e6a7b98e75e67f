package dev.unbroken.kafka;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.context.Context;
import java.util.Objects;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.header.Headers;

/**
 * Traces that survive Kafka. Immutable and thread-safe; all state of a record lives in its scope.
 *
 * <p>No header, however broken, and no failing SDK raises out of any of these methods or skips a record. Null for a
 * record, a producer or a handler is a mistake of the program: {@link NullPointerException}.
 */
public final class Unbroken {

    private final Tracing tracing;

    private Unbroken(Tracing tracing) {
        this.tracing = tracing;
    }

    /**
     * Returns an instance with the default policy.
     *
     * @param openTelemetry where spans and metrics go, and which propagators are in use
     * @return a new instance
     */
    public static Unbroken create(OpenTelemetry openTelemetry) {
        return create(openTelemetry, Policy.defaults());
    }

    /**
     * Returns an instance.
     *
     * @param openTelemetry where spans and metrics go, and which propagators are in use
     * @param policy what is traced and how
     * @return a new instance
     */
    public static Unbroken create(OpenTelemetry openTelemetry, Policy policy) {
        Objects.requireNonNull(openTelemetry, "openTelemetry");
        return new Unbroken(Tracing.of(openTelemetry, Objects.requireNonNull(policy, "policy")));
    }

    /**
     * Returns what is traced and how.
     *
     * @return the policy that this was created with
     */
    public Policy policy() {
        return tracing.policy();
    }

    /**
     * Opens the block of a record: its own CONSUMER span is current on this thread until the scope is closed. Inside the
     * block of the same record object it is that block: the scope has its span, and neither ends nor fails it.
     *
     * @param record the record
     * @return the scope, to close on this thread
     */
    public ProcessScope open(ConsumerRecord<?, ?> record) {
        return open(record, ConsumerFacts.UNKNOWN);
    }

    /**
     * Opens the block of a record, and puts what the consumer tells of itself on the span.
     *
     * @param record the record
     * @param consumer what is known of the consumer
     * @return the scope, to close on this thread
     */
    public ProcessScope open(ConsumerRecord<?, ?> record, ConsumerFacts consumer) {
        Objects.requireNonNull(record, "record");
        return ProcessScope.open(tracing, record, Objects.requireNonNull(consumer, "consumer"));
    }

    /**
     * Handles a record in its block.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param <E> what the handler throws
     * @param record the record
     * @param handler what to do with it
     * @throws E what the handler throws, untouched
     */
    public <K, V, E extends Throwable> void process(ConsumerRecord<K, V> record, RecordHandler<K, V, E> handler)
            throws E {
        process(record, ConsumerFacts.UNKNOWN, handler);
    }

    /**
     * Handles a record in its block, and puts what the consumer tells of itself on the span.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param <E> what the handler throws
     * @param record the record
     * @param consumer what is known of the consumer
     * @param handler what to do with it
     * @throws E what the handler throws, untouched
     */
    public <K, V, E extends Throwable> void process(
            ConsumerRecord<K, V> record, ConsumerFacts consumer, RecordHandler<K, V, E> handler) throws E {
        Objects.requireNonNull(handler, "handler");
        ProcessScope scope = open(record, consumer);
        try {
            handler.handle(record);
        } catch (Throwable error) {
            scope.fail(error);
            throw error;
        } finally {
            scope.close();
        }
    }

    /**
     * Returns what a function makes of a record in its block.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param <R> type of the result
     * @param <E> what the function throws
     * @param record the record
     * @param function what to make of it
     * @return what the function returns
     * @throws E what the function throws, untouched
     */
    public <K, V, R, E extends Throwable> R call(ConsumerRecord<K, V> record, RecordFunction<K, V, R, E> function)
            throws E {
        return call(record, ConsumerFacts.UNKNOWN, function);
    }

    /**
     * Returns what a function makes of a record in its block, and puts what the consumer tells of itself on the span.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param <R> type of the result
     * @param <E> what the function throws
     * @param record the record
     * @param consumer what is known of the consumer
     * @param function what to make of it
     * @return what the function returns
     * @throws E what the function throws, untouched
     */
    public <K, V, R, E extends Throwable> R call(
            ConsumerRecord<K, V> record, ConsumerFacts consumer, RecordFunction<K, V, R, E> function) throws E {
        Objects.requireNonNull(function, "function");
        ProcessScope scope = open(record, consumer);
        try {
            return function.apply(record);
        } catch (Throwable error) {
            scope.fail(error);
            throw error;
        } finally {
            scope.close();
        }
    }

    /**
     * Opens the block of a batch: one CLIENT span linked to the creation context of each record.
     *
     * @param records the records of one poll; none of them, no span
     * @return the scope, to close on this thread
     */
    public ReceiveScope receive(Iterable<? extends ConsumerRecord<?, ?>> records) {
        return receive(records, ConsumerFacts.UNKNOWN);
    }

    /**
     * Opens the block of a batch, and puts what the consumer tells of itself on the span.
     *
     * @param records the records of one poll; none of them, no span
     * @param consumer what is known of the consumer
     * @return the scope, to close on this thread
     */
    public ReceiveScope receive(Iterable<? extends ConsumerRecord<?, ?>> records, ConsumerFacts consumer) {
        Objects.requireNonNull(records, "records");
        return ReceiveScope.open(tracing, records, Objects.requireNonNull(consumer, "consumer"));
    }

    /**
     * Returns the context that headers carry; nothing of the current one is in it.
     *
     * @param headers headers of a record, or null
     * @return a context with the creation context as its span, and the baggage
     */
    public Context extract(Headers headers) {
        if (headers == null) {
            return Context.root();
        }
        return tracing.propagation()
                .origin(headers, tracing.policy().duplicates(), Context.root())
                .on(Context.root());
    }

    /**
     * Returns a copy of headers that carries the current context.
     *
     * @param headers headers, or null for none; not changed
     * @return new headers, writable
     */
    public Headers inject(Headers headers) {
        return inject(headers, Context.current());
    }

    /**
     * Returns a copy of headers that carries a context: each propagation field is replaced, all else stays in order.
     *
     * @param headers headers, or null for none; not changed
     * @param context what to carry
     * @return new headers, writable
     */
    public Headers inject(Headers headers, Context context) {
        Objects.requireNonNull(context, "context");
        Fields fields = new Fields();
        try {
            fields = tracing.propagation().fields(context, null);
        } catch (Throwable failure) {
            Failures.survived("inject", failure);
        }
        return fields.behind(headers);
    }

    /**
     * Returns the headers to publish a received record again with.
     *
     * @param record the record; not changed
     * @return new headers, writable
     */
    public Headers forward(ConsumerRecord<?, ?> record) {
        return forward(record, null);
    }

    /**
     * Returns the headers to publish a received record again with, to a retry topic or a dead-letter topic.
     *
     * @param record the record; not changed
     * @param error why it is forwarded, or null
     * @return new headers, writable
     */
    public Headers forward(ConsumerRecord<?, ?> record, Throwable error) {
        return Forwarding.headers(tracing, Objects.requireNonNull(record, "record"), error);
    }

    /**
     * Returns a producer that makes a PRODUCER span of each record, which ends when the broker has acknowledged it.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param producer what sends
     * @return a producer that does all else as {@code producer} does
     */
    public <K, V> Producer<K, V> traced(Producer<K, V> producer) {
        return traced(producer, ProducerFacts.UNKNOWN);
    }

    /**
     * Returns a producer that makes a PRODUCER span of each record, with what the producer tells of itself.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param producer what sends
     * @param facts what is known of the producer
     * @return a producer that does all else as {@code producer} does
     */
    public <K, V> Producer<K, V> traced(Producer<K, V> producer, ProducerFacts facts) {
        Objects.requireNonNull(producer, "producer");
        return TracedProducer.of(tracing, producer, Objects.requireNonNull(facts, "facts"));
    }
}
