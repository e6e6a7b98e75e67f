package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.messaging.handler.annotation.SendTo;

/** A request, its listener and the reply, in an application that has only the dependency. */
class RequestReplyTest {

    private final Spans spans = new Spans();

    @Test
    void aRequestAndItsReplyAreOneTrace() throws Exception {
        Broker broker = Broker.embedded();
        String requests = broker.topic("requests", 1);
        String replies = broker.topic("replies", 1);
        Span asking = spans.start("asking");
        try (Application application =
                Application.start(spans, broker, List.of(Shop.class), "requests=" + requests, "replies=" + replies)) {
            @SuppressWarnings("unchecked")
            ReplyingKafkaTemplate<String, String, String> template = application.bean(ReplyingKafkaTemplate.class);
            assertEquals(true, template.waitForAssignment(Duration.ofSeconds(120)));
            try (Scope scope = asking.makeCurrent()) {
                assertEquals(
                        "6 x 7",
                        template.sendAndReceive(new ProducerRecord<>(requests, "6 x 7"))
                                .get(120, TimeUnit.SECONDS)
                                .value());
                assertEquals(false, scope == Scope.noop());
            }
            asking.end();
            List<SpanData> sent = spans.await(2, span -> span.getKind() == SpanKind.PRODUCER);
            SpanData processed =
                    spans.await(1, span -> span.getKind() == SpanKind.CONSUMER).get(0);
            SpanData polled =
                    spans.await(1, span -> span.getKind() == SpanKind.CLIENT).get(0);

            assertEquals(asking.getSpanContext().getSpanId(), sent.get(0).getParentSpanId());
            assertEquals(sent.get(0).getSpanId(), processed.getParentSpanId());
            assertEquals(processed.getSpanId(), sent.get(1).getParentSpanId());
            assertEquals(
                    sent.get(1).getSpanId(),
                    polled.getLinks().get(0).getSpanContext().getSpanId());
            assertEquals(0L, sent.get(1).getAttributes().get(AttributeKey.longKey("messaging.kafka.offset")));
        }
        assertEquals(0, spans.open());
    }

    @Configuration
    @EnableAutoConfiguration
    static class Shop {

        @KafkaListener(topics = "${requests}")
        @SendTo
        String handle(String request) {
            return request;
        }

        @Bean
        ReplyingKafkaTemplate<String, String, String> replying(
                ProducerFactory<String, String> producers,
                ConcurrentKafkaListenerContainerFactory<String, String> factory,
                @Value("${replies}") String replies) {
            ConcurrentMessageListenerContainer<String, String> container = factory.createContainer(replies);
            container.getContainerProperties().setGroupId(replies);
            ReplyingKafkaTemplate<String, String, String> template = new ReplyingKafkaTemplate<>(producers, container);
            factory.setReplyTemplate(template);
            return template;
        }
    }
}
