package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The Kafka that runs at {@code UNBROKEN_KAFKA}; each test has its own topic. */
final class Broker {

    private final String address;

    private Broker(String address) {
        this.address = address;
    }

    /** Returns the broker; without one the test is skipped, and fails where it must not be. */
    static Broker running() {
        String address = System.getenv("UNBROKEN_KAFKA");
        if (address == null) {
            String missing = "UNBROKEN_KAFKA=host:port of a running Kafka is not set";
            return "true".equals(System.getenv("CI")) ? fail(missing) : abort(missing);
        }
        return new Broker(address);
    }

    /** Returns the name of a new topic with one partition. */
    String topic(Map<String, String> configs) throws ExecutionException, InterruptedException {
        String name = "java-" + UUID.randomUUID();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(List.of(new NewTopic(name, 1, (short) 1).configs(configs)))
                    .all()
                    .get();
        }
        return name;
    }

    Producer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> configs = new HashMap<>(more);
        configs.put("bootstrap.servers", address);
        return new KafkaProducer<>(configs, new StringSerializer(), new StringSerializer());
    }

    /** Returns the first committed records of a topic. */
    List<ConsumerRecord<String, String>> records(String topic, int count) {
        Map<String, Object> configs = Map.of(
                "bootstrap.servers", address,
                "isolation.level", "read_committed",
                "auto.offset.reset", "earliest");
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        try (Consumer<String, String> consumer =
                new KafkaConsumer<>(configs, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            while (records.size() < count && System.nanoTime() < deadline) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
        }
        if (records.size() != count) {
            throw new AssertionError(records.size() + " records instead of " + count);
        }
        return records;
    }
}
