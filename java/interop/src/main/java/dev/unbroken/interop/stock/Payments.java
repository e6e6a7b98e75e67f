package dev.unbroken.interop.stock;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.unbroken.interop.Card;
import dev.unbroken.interop.Starter;
import dev.unbroken.interop.Telemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.util.backoff.FixedBackOff;

/** The same with stock code: each record begins a trace of its own, which links the one that it comes from. */
@SpringBootApplication
public class Payments {

    private static final TextMapGetter<Headers> HEADERS = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(Headers headers) {
            return StreamSupport.stream(headers.spliterator(), false)
                    .map(Header::key)
                    .toList();
        }

        @Override
        public String get(Headers headers, String name) {
            Header found = headers == null ? null : headers.lastHeader(name);
            return found == null ? null : new String(found.value(), StandardCharsets.UTF_8);
        }
    };

    private final ObjectMapper json;
    private final KafkaTemplate<String, String> template;
    private final Tracer tracer;
    private final TextMapPropagator propagator;
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
        this.propagator = openTelemetry.getPropagators().getTextMapPropagator();
        this.paid = paid;
        this.poison = poison;
    }

    @KafkaListener(topics = "${interop.priced}")
    void pay(ConsumerRecord<String, String> record) throws JsonProcessingException {
        String order = json.readTree(record.value()).path("id").asText();
        Context sender = propagator.extract(Context.root(), record.headers(), HEADERS);
        Span span = tracer.spanBuilder("process priced")
                .setSpanKind(SpanKind.CONSUMER)
                .setNoParent()
                .setAttribute("order.id", order)
                .addLink(Span.fromContext(sender).getSpanContext())
                .startSpan();
        Starter.tell(order, span);
        try (Scope scope = span.makeCurrent()) {
            Card.charge(tracer, order, poison);
            send(order, record.value());
        } catch (RuntimeException error) {
            span.setStatus(StatusCode.ERROR);
            throw error;
        } finally {
            span.end();
        }
    }

    private void send(String order, String value) {
        Span span =
                tracer.spanBuilder("send paid").setSpanKind(SpanKind.PRODUCER).startSpan();
        try (Scope scope = span.makeCurrent()) {
            ProducerRecord<String, String> record = new ProducerRecord<>(paid, order, value);
            propagator.inject(
                    Context.current(),
                    record.headers(),
                    (headers, name, text) -> headers.add(name, text.getBytes(StandardCharsets.UTF_8)));
            template.send(record).join();
        } finally {
            span.end();
        }
    }

    /**
     * Serves until nobody wants it.
     *
     * @param arguments none
     * @throws IOException when the standard input cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        Starter.serve(Payments.class, Map.of("unbroken.enabled", "false"));
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
