package dev.unbroken.spring.kafka.docs;

import dev.unbroken.kafka.ReceiveScope;
import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.OpenTelemetry;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** What the page says about plain clients. */
abstract class PlainExamples {

    abstract void handle(String order);

    void process(OpenTelemetry openTelemetry, Consumer<String, String> consumer) {
        // page
        Unbroken unbroken = Unbroken.create(openTelemetry);

        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
            unbroken.process(record, order -> handle(order.value()));
        }
        // end
    }

    void send(Unbroken unbroken, Map<String, Object> settings, String value) {
        // page
        Producer<String, String> producer = unbroken.traced(new KafkaProducer<>(settings));
        producer.send(new ProducerRecord<>("orders", value));
        // end
    }

    void batch(Unbroken unbroken, Consumer<String, String> consumer) {
        // page
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofSeconds(1));
        try (ReceiveScope receiving = unbroken.receive(records)) {
            try {
                for (ConsumerRecord<String, String> record : records) {
                    unbroken.process(record, order -> handle(order.value()));
                }
            } catch (RuntimeException error) {
                receiving.fail(error);
                throw error;
            }
        }
        // end
    }

    void deadLetter(Unbroken unbroken, Producer<String, String> producer, ConsumerRecord<String, String> record) {
        // page
        unbroken.process(record, order -> {
            try {
                handle(order.value());
            } catch (IllegalArgumentException poison) {
                producer.send(new ProducerRecord<>(
                        "orders-dlt", null, order.key(), order.value(), unbroken.forward(order, poison)));
            }
        });
        // end
    }
}
