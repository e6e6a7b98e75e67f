package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** The example of the README compiles: it stands here too. */
class ReadmeTest {

    private static final Path SOURCE = Path.of("src/test/java/dev/unbroken/kafka/ReadmeTest.java");

    @Test
    void theExampleIsTheOneThatCompiles() throws IOException {
        String example = between(Files.readString(Path.of("README.md")), "```java\n", "```");
        String compiled = between(Files.readString(SOURCE), "// example\n", "// end of the example");
        assertEquals(words(example), words(compiled));
    }

    static void example(OpenTelemetry openTelemetry, Map<String, Object> settings, Consumer<String, String> consumer) {
        // example
        Unbroken unbroken = Unbroken.create(openTelemetry);

        try (Producer<String, String> producer = unbroken.traced(new KafkaProducer<>(settings))) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                unbroken.process(record, order -> {
                    try {
                        producer.send(new ProducerRecord<>("payments", order.key(), charge(order.value())));
                    } catch (IllegalArgumentException error) { // to the dead letters, in the same trace
                        producer.send(new ProducerRecord<>(
                                "orders.dead", null, order.key(), order.value(), unbroken.forward(order, error)));
                    }
                });
            }
        }
        // end of the example
    }

    private static String charge(String order) {
        return order;
    }

    private static String between(String text, String start, String end) {
        int from = text.indexOf(start) + start.length();
        return text.substring(from, text.indexOf(end, from));
    }

    /** Returns a text with one space where it has white space: the formatter may break lines elsewhere. */
    private static String words(String text) {
        return text.replaceAll("\\s+", " ").trim();
    }
}
