package dev.unbroken.spring.kafka;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import org.springframework.kafka.test.EmbeddedKafkaKraftBroker;

/**
 * A Kafka, seen without any of our code: what is sent and read here is what is on the wire.
 *
 * @param bootstrap host and port
 */
record Broker(String bootstrap) {

    private static final String VARIABLE = "UNBROKEN_KAFKA";

    /** Returns the Kafka in this process, the same for all tests. */
    static Broker embedded() {
        return Embedded.BROKER;
    }

    /** Returns the server that the environment names. Without one the test is skipped, on CI it fails. */
    static Broker real() {
        String named = System.getenv(VARIABLE);
        if (named == null || named.isBlank()) {
            String missing = VARIABLE + " is not set: host:port of a Kafka";
            if ("true".equals(System.getenv("CI"))) {
                Assertions.fail(missing);
            }
            Assumptions.abort(missing);
        }
        return new Broker(named);
    }

    /** Returns the name of a new topic. */
    String topic(String name, int partitions) {
        String topic = name + "-" + UUID.randomUUID().toString().substring(0, 8);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1)))
                    .all()
                    .get();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
        return topic;
    }

    Set<String> topicsOf(String prefix) {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            Set<String> found = new TreeSet<>(admin.listTopics().names().get());
            found.removeIf(name -> !name.startsWith(prefix));
            return found;
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    /** Sends a value with the context of {@link Records#TRACEPARENT}. */
    void send(String topic, String... values) {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(
                Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer())) {
            for (String value : values) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, value);
                record.headers().add("traceparent", Records.TRACEPARENT.getBytes(StandardCharsets.US_ASCII));
                producer.send(record).get();
            }
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    /** Returns the committed records of a topic, as soon as there are so many. */
    List<ConsumerRecord<byte[], byte[]>> read(String topic, int count) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "isolation.level", "read_committed");
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            long until = System.currentTimeMillis() + 120_000;
            while (found.size() < count) {
                if (System.currentTimeMillis() > until) {
                    throw new AssertionError(found.size() + " of " + count + " records in " + topic);
                }
                if (consumer.assignment().isEmpty()) {
                    assign(topic, consumer); // the topic may be created by the first record in it
                }
                if (!consumer.assignment().isEmpty()) {
                    consumer.poll(Duration.ofMillis(100)).forEach(found::add);
                }
            }
        }
        return found;
    }

    private static void assign(String topic, KafkaConsumer<?, ?> consumer) {
        consumer.assign(consumer.partitionsFor(topic).stream()
                .map(partition -> new TopicPartition(topic, partition.partition()))
                .toList());
    }

    /** Started by the first test that wants it. */
    private static final class Embedded {

        private static final Broker BROKER = start();

        private static Broker start() {
            EmbeddedKafkaKraftBroker broker = new EmbeddedKafkaKraftBroker(1, 1);
            broker.brokerProperty("group.initial.rebalance.delay.ms", "0");
            broker.brokerProperty("offsets.topic.num.partitions", "1");
            broker.afterPropertiesSet();
            Runtime.getRuntime().addShutdownHook(new Thread(broker::destroy));
            return new Broker(broker.getBrokersAsString());
        }
    }
}
