package dev.unbroken.interop.payments;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.unbroken.interop.Card;
import dev.unbroken.interop.Starter;
import dev.unbroken.interop.Telemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import java.io.IOException;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.util.backoff.FixedBackOff;

/** Charges the cards: Kafka {@code priced} to Kafka {@code paid}; after three attempts to the dead letters. */
@SpringBootApplication
public class Payments {

    private final ObjectMapper json;
    private final KafkaTemplate<String, String> template;
    private final Tracer tracer;
    private final String paid;
    private final String poison;

    /**
     * Spring makes it.
     *
     * @param json reads orders
     * @param template sends what was paid
     * @param openTelemetry makes the spans
     * @param paid the topic to send to
     * @param poison the order that the bank refuses
     */
    public Payments(
            ObjectMapper json,
            KafkaTemplate<String, String> template,
            OpenTelemetry openTelemetry,
            @Value("${interop.paid}") String paid,
            @Value("${interop.poison}") String poison) {
        this.json = json;
        this.template = template;
        this.tracer = openTelemetry.getTracer("payments");
        this.paid = paid;
        this.poison = poison;
    }

    @KafkaListener(topics = "${interop.priced}")
    void pay(ConsumerRecord<String, String> record) throws JsonProcessingException {
        String order = json.readTree(record.value()).path("id").asText();
        Starter.tell(order, Span.current());
        Card.charge(tracer, order, poison);
        template.send(paid, order, record.value()).join();
    }

    /**
     * Serves until nobody wants it.
     *
     * @param arguments none
     * @throws IOException when the standard input cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        Starter.serve(Payments.class, Map.of());
    }

    /** What the service is made of besides. */
    @Configuration(proxyBeanMethods = false)
    static class Beans {

        @Bean
        OpenTelemetrySdk openTelemetry(@Value("${UNBROKEN_OTLP}") String urls) {
            return Telemetry.spansTo("payments", urls);
        }

        @Bean
        DeadLetterPublishingRecoverer recoverer(KafkaTemplate<?, ?> template) {
            return new DeadLetterPublishingRecoverer(template);
        }

        @Bean
        DefaultErrorHandler errorHandler(DeadLetterPublishingRecoverer recoverer) {
            return new DefaultErrorHandler(recoverer, new FixedBackOff(50, 2));
        }
    }
}
