package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ProcessScope;
import dev.unbroken.kafka.RecordHandler;
import dev.unbroken.kafka.Unbroken;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Gives each record of a batch listener its own block, in the trace of its own producer.
 *
 * <p>It is {@link Unbroken#process}, with what {@link UnbrokenBatchInterceptor} knows of the consumer.
 */
public final class BatchRecords {

    private final Supplier<Unbroken> unbroken;

    /**
     * Returns the blocks of batch listeners.
     *
     * @param unbroken makes the spans
     */
    public BatchRecords(Unbroken unbroken) {
        this(UnbrokenRecordInterceptor.constant(Objects.requireNonNull(unbroken, "unbroken")));
    }

    BatchRecords(Supplier<Unbroken> unbroken) {
        this.unbroken = unbroken;
    }

    /**
     * Handles a record in its block.
     *
     * @param <K> type of the key
     * @param <V> type of the value
     * @param <E> what the handler throws
     * @param record a record of the batch
     * @param handler what to do with it
     * @throws E what the handler throws, untouched
     */
    public <K, V, E extends Throwable> void process(ConsumerRecord<K, V> record, RecordHandler<K, V, E> handler)
            throws E {
        unbroken.get().process(record, BatchBlock.consumer(), handler);
    }

    /**
     * Opens the block of a record, for code that cannot be a handler.
     *
     * @param record a record of the batch
     * @return the scope, to close on this thread
     */
    public ProcessScope open(ConsumerRecord<?, ?> record) {
        return unbroken.get().open(record, BatchBlock.consumer());
    }
}
