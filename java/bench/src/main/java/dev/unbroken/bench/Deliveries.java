package dev.unbroken.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.common.TopicPartition;

/** A consumer whose polls return as many records as {@link #deliver} asks for, in batches of Kafka's default size. */
final class Deliveries extends MockConsumer<String, String> {

    static final TopicPartition PARTITION = new TopicPartition(Carried.TOPIC, 0);
    private static final int MAX_POLL_RECORDS = 500;

    private final Carried carried;
    private final SynchronousQueue<Integer> wanted = new SynchronousQueue<>();
    private final Semaphore handled = new Semaphore(0);
    private int left;
    private boolean delivering;
    private long offset;

    Deliveries(Carried carried) {
        super(OffsetResetStrategy.EARLIEST);
        this.carried = carried;
        updateBeginningOffsets(Map.of(PARTITION, 0L));
        updateEndOffsets(Map.of(PARTITION, 0L));
    }

    /** Delivers so many records and waits until the container has handled them: until it polls again. */
    void deliver(int records) {
        try {
            wanted.put(records);
            handled.acquire();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    // Not synchronized: the thread of the container is the only one that polls.
    @Override
    public ConsumerRecords<String, String> poll(Duration timeout) {
        if (left == 0 && !nextDelivery(timeout)) {
            return ConsumerRecords.empty();
        }
        int size = Math.min(left, MAX_POLL_RECORDS);
        left -= size;
        List<ConsumerRecord<String, String>> batch = new ArrayList<>(size);
        for (int count = 0; count < size; count++) {
            batch.add(carried.record(offset++));
        }
        return new ConsumerRecords<>(Map.of(PARTITION, batch));
    }

    private boolean nextDelivery(Duration timeout) {
        if (delivering) {
            handled.release();
        }
        try {
            Integer next = wanted.poll(timeout.toMillis(), TimeUnit.MILLISECONDS);
            delivering = next != null;
            left = delivering ? next : 0;
        } catch (InterruptedException interrupted) {
            delivering = false;
            Thread.currentThread().interrupt();
        }
        return delivering;
    }
}
