package dev.unbroken.kafka;

import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * What an application makes of one record.
 *
 * @param <K> type of the key
 * @param <V> type of the value
 * @param <R> type of the result
 * @param <E> what it throws
 */
@FunctionalInterface
public interface RecordFunction<K, V, R, E extends Throwable> {

    /**
     * Returns what the application makes of a record.
     *
     * @param record the record
     * @return anything, null too
     * @throws E whatever the application throws; it passes through {@link Unbroken#call} untouched
     */
    R apply(ConsumerRecord<K, V> record) throws E;
}
