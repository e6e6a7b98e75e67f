package dev.unbroken.interop.probe;

import dev.unbroken.interop.Telemetry;
import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.ProducerFacts;
import dev.unbroken.kafka.ReceiveScope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The probe with kafka-clients. */
public final class KafkaProbe extends Probe {

    private final String host = BROKER.substring(0, BROKER.lastIndexOf(':'));
    private final int port = Integer.parseInt(BROKER.substring(BROKER.lastIndexOf(':') + 1));
    private final Producer<byte[], byte[]> traced;

    private KafkaProbe(OpenTelemetrySdk sdk) {
        super(sdk);
        traced = unbroken.traced(
                new KafkaProducer<>(producerSettings(), new ByteArraySerializer(), new ByteArraySerializer()),
                new ProducerFacts(CLIENT_ID, host, port));
    }

    @Override
    void send(ProducerRecord<byte[], byte[]> record) throws Exception {
        traced.send(record).get();
    }

    @Override
    void read(String topic, int count, String group, boolean isBatch, Handler handler) {
        ConsumerFacts facts = new ConsumerFacts(group, CLIENT_ID, host, port);
        List<ConsumerRecord<byte[], byte[]>> records = poll(topic, count, group);
        if (isBatch) {
            try (ReceiveScope scope = unbroken.receive(records, facts)) {
                records.forEach(record -> process(record, facts, handler));
            }
        } else {
            records.forEach(record -> process(record, facts, handler));
        }
    }

    private void process(ConsumerRecord<byte[], byte[]> record, ConsumerFacts facts, Handler handler) {
        try {
            unbroken.process(record, facts, handler::handle);
        } catch (Poison expected) {
            // It is on the span.
        }
    }

    private static List<ConsumerRecord<byte[], byte[]>> poll(String topic, int count, String group) {
        Map<String, Object> settings = Map.of("bootstrap.servers", BROKER, "client.id", CLIENT_ID, "group.id", group);
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            while (records.size() < count) {
                consumer.poll(Duration.ofSeconds(1)).records(partition).forEach(records::add);
            }
        }
        return records.subList(0, count);
    }

    /**
     * Answers every line of the standard input.
     *
     * @param arguments none
     * @throws IOException when it cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        new KafkaProbe(Telemetry.allTo("java", otlp())).serve();
    }
}
