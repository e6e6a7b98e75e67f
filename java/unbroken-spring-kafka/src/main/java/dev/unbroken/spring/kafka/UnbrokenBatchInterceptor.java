package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.Unbroken;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.springframework.kafka.listener.BatchInterceptor;

/**
 * Puts each batch that a listener container hands out into one receive block: a CLIENT span that is linked to the
 * creation context of every record. {@link BatchRecords} gives each record its own block inside it.
 *
 * <p>The block begins in {@link #intercept} and ends in {@link #success} or {@link #failure}; the container calls its
 * error handler after that. Where it calls neither (an {@link Error}, a skipped batch, an interceptor that raises) the
 * block ends at once or with the next poll.
 *
 * <p>The state is kept per thread in this object. All methods of a wrapped interceptor are called, inside the block.
 *
 * @param <K> type of the keys
 * @param <V> type of the values
 */
public final class UnbrokenBatchInterceptor<K, V> implements BatchInterceptor<K, V> {

    private final Supplier<Unbroken> unbroken;
    private final BatchInterceptor<K, V> delegate;
    private final ClientFacts facts;
    private final ThreadLocal<BatchBlock> blocks = new ThreadLocal<>();

    /**
     * Returns an interceptor that wraps no other.
     *
     * @param unbroken makes the spans
     */
    public UnbrokenBatchInterceptor(Unbroken unbroken) {
        this(unbroken, null);
    }

    /**
     * Returns an interceptor that wraps another.
     *
     * @param unbroken makes the spans
     * @param delegate is called inside the block of each batch; may be null
     */
    public UnbrokenBatchInterceptor(Unbroken unbroken, BatchInterceptor<K, V> delegate) {
        this(unbroken, delegate, Map.of());
    }

    /**
     * Returns an interceptor that wraps another, and knows the settings of its consumers.
     *
     * @param unbroken makes the spans
     * @param delegate is called inside the block of each batch; may be null
     * @param settings the consumers' settings, of which the server is put on the spans
     */
    public UnbrokenBatchInterceptor(Unbroken unbroken, BatchInterceptor<K, V> delegate, Map<String, ?> settings) {
        this(
                UnbrokenRecordInterceptor.constant(unbroken),
                delegate,
                new ClientFacts(UnbrokenRecordInterceptor.constant(settings)));
    }

    UnbrokenBatchInterceptor(Supplier<Unbroken> unbroken, BatchInterceptor<K, V> delegate, ClientFacts facts) {
        this.unbroken = unbroken;
        this.delegate = delegate;
        this.facts = facts;
    }

    @Override
    public ConsumerRecords<K, V> intercept(ConsumerRecords<K, V> records, Consumer<K, V> consumer) {
        abandon();
        ConsumerFacts known = consumer == null ? ConsumerFacts.UNKNOWN : facts.of(consumer);
        blocks.set(BatchBlock.open(unbroken.get(), records, known));
        if (delegate == null) {
            return records;
        }
        ConsumerRecords<K, V> chosen = null;
        try {
            chosen = delegate.intercept(records, consumer);
        } catch (Throwable error) {
            end(error);
            throw error;
        }
        if (chosen == null) {
            end(null); // the container skips the batch, and may not say so
        }
        return chosen;
    }

    @Override
    public void success(ConsumerRecords<K, V> records, Consumer<K, V> consumer) {
        try {
            if (delegate != null) {
                delegate.success(records, consumer);
            }
        } finally {
            end(null);
        }
    }

    @Override
    public void failure(ConsumerRecords<K, V> records, Exception exception, Consumer<K, V> consumer) {
        try {
            if (delegate != null) {
                delegate.failure(records, exception, consumer);
            }
        } finally {
            end(ListenerErrors.cause(exception));
        }
    }

    @Override
    public void setupThreadState(Consumer<?, ?> consumer) {
        abandon();
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
            abandon();
        }
    }

    private void abandon() {
        if (blocks.get() != null) {
            end(new RecordAbandoned());
        }
    }

    private void end(Throwable error) {
        BatchBlock block = blocks.get();
        blocks.remove();
        if (block != null) {
            block.end(error);
        }
    }
}
