package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.Unbroken;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.kafka.listener.RecordInterceptor;

/**
 * Puts each record that a listener container hands out into its own block: the span of the record is current in the
 * listener, its retries, the error handler and the recoverer of dead letters.
 *
 * <p>The block begins in {@link #intercept} and ends in {@link #afterRecord}. Where the container does not come so far
 * (an {@link Error}, a fenced producer) it ends with the next record or poll, and its span says {@code RecordAbandoned}.
 * A record that could not be deserialized fails without having been intercepted: its block begins with the failure.
 *
 * <p>The state is kept per thread in this object, nothing is written into the record. One interceptor serves any number
 * of containers and threads. All methods of a wrapped interceptor are called, inside the block.
 *
 * @param <K> type of the keys
 * @param <V> type of the values
 */
public final class UnbrokenRecordInterceptor<K, V> implements RecordInterceptor<K, V> {

    private final Supplier<Unbroken> unbroken;
    private final RecordInterceptor<K, V> delegate;
    private final ClientFacts facts;
    private final ThreadLocal<Turn> turns = ThreadLocal.withInitial(Turn::new);

    /**
     * Returns an interceptor that wraps no other.
     *
     * @param unbroken makes the spans
     */
    public UnbrokenRecordInterceptor(Unbroken unbroken) {
        this(unbroken, null);
    }

    /**
     * Returns an interceptor that wraps another.
     *
     * @param unbroken makes the spans
     * @param delegate is called inside the block of each record; may be null
     */
    public UnbrokenRecordInterceptor(Unbroken unbroken, RecordInterceptor<K, V> delegate) {
        this(unbroken, delegate, Map.of());
    }

    /**
     * Returns an interceptor that wraps another, and knows the settings of its consumers.
     *
     * @param unbroken makes the spans
     * @param delegate is called inside the block of each record; may be null
     * @param settings the consumers' settings, of which the server is put on the spans
     */
    public UnbrokenRecordInterceptor(Unbroken unbroken, RecordInterceptor<K, V> delegate, Map<String, ?> settings) {
        this(constant(unbroken), delegate, new ClientFacts(constant(settings)));
    }

    UnbrokenRecordInterceptor(Supplier<Unbroken> unbroken, RecordInterceptor<K, V> delegate, ClientFacts facts) {
        this.unbroken = unbroken;
        this.delegate = delegate;
        this.facts = facts;
    }

    static <T> Supplier<T> constant(T value) {
        Objects.requireNonNull(value);
        return () -> value;
    }

    @Override
    public ConsumerRecord<K, V> intercept(ConsumerRecord<K, V> record, Consumer<K, V> consumer) {
        Turn turn = turns.get();
        turn.abandon();
        turn.begin(unbroken.get(), record, factsOf(turn, consumer));
        if (delegate == null) {
            return record;
        }
        try {
            return delegate.intercept(record, consumer);
        } catch (Throwable error) {
            turn.block.fail(error);
            throw error;
        }
    }

    @Override
    public void success(ConsumerRecord<K, V> record, Consumer<K, V> consumer) {
        if (delegate != null) {
            delegate.success(record, consumer);
        }
    }

    @Override
    public void failure(ConsumerRecord<K, V> record, Exception exception, Consumer<K, V> consumer) {
        Turn turn = turns.get();
        if (turn.block == null || !turn.block.isOf(record)) {
            turn.abandon();
            turn.begin(unbroken.get(), record, factsOf(turn, consumer));
        }
        turn.block.failed(exception);
        if (delegate != null) {
            delegate.failure(record, exception, consumer);
        }
    }

    @Override
    public void afterRecord(ConsumerRecord<K, V> record, Consumer<K, V> consumer) {
        try {
            if (delegate != null) {
                delegate.afterRecord(record, consumer);
            }
        } finally {
            turns.get().end();
        }
    }

    @Override
    public void setupThreadState(Consumer<?, ?> consumer) {
        turns.get().abandon();
        if (delegate != null) {
            delegate.setupThreadState(consumer);
        }
    }

    @Override
    public void clearThreadState(Consumer<?, ?> consumer) {
        try {
            if (delegate != null) {
                delegate.clearThreadState(consumer);
            }
        } finally {
            turns.get().abandon();
            turns.remove();
        }
    }

    private ConsumerFacts factsOf(Turn turn, Consumer<?, ?> consumer) {
        // Once per poll, as clearThreadState forgets them: the group and the id of a consumer do not change.
        if (turn.facts == null || turn.consumer != consumer) {
            turn.consumer = consumer;
            turn.facts = consumer == null ? ConsumerFacts.UNKNOWN : facts.of(consumer);
        }
        return turn.facts;
    }

    /** What a thread is at. */
    private static final class Turn {

        private RecordBlock block;
        private Consumer<?, ?> consumer;
        private ConsumerFacts facts;

        private void begin(Unbroken unbroken, ConsumerRecord<?, ?> record, ConsumerFacts known) {
            block = RecordBlock.open(unbroken, record, known);
        }

        private void end() {
            RecordBlock ending = block;
            block = null;
            if (ending != null) {
                ending.end();
            }
        }

        private void abandon() {
            if (block != null) {
                block.abandoned();
                end();
            }
        }
    }
}
