package dev.unbroken.kafka;

import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * What an application does with one record.
 *
 * @param <K> type of the key
 * @param <V> type of the value
 * @param <E> what it throws
 */
@FunctionalInterface
public interface RecordHandler<K, V, E extends Throwable> {

    /**
     * Handles a record.
     *
     * @param record the record
     * @throws E whatever the application throws; it passes through {@link Unbroken#process} untouched
     */
    void handle(ConsumerRecord<K, V> record) throws E;
}
