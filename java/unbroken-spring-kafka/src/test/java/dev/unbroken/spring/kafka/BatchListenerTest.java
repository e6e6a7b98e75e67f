package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.BatchListenerFailedException;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.util.backoff.FixedBackOff;

/** A listener that is given lists of records, on a container. */
class BatchListenerTest {

    private static final AttributeKey<Long> COUNT = AttributeKey.longKey("messaging.batch.message_count");

    private final Spans spans = new Spans();
    private final Broker broker = Broker.embedded();
    private final String topic = broker.topic("orders", 1);

    @Test
    void everyRecordIsHandledInItsOwnTraceAndLinkedToItsPoll() {
        broker.send(topic, "1", "2", "3");
        try (Application application = start()) {
            List<SpanData> processed = spans.await(3, span -> span.getKind() == SpanKind.CONSUMER);
            List<SpanData> polls = spans.await(1, span -> span.getKind() == SpanKind.CLIENT);

            assertEquals(true, application.has(BatchRecords.class));
            assertEquals(
                    List.of(Records.PARENT),
                    processed.stream().map(SpanData::getParentSpanId).distinct().toList());
            assertEquals("poll " + topic, polls.get(0).getName());
            assertEquals(
                    polls.get(0).getAttributes().get(COUNT).intValue(),
                    polls.get(0).getLinks().size());
        }
        assertEquals(0, spans.open());
    }

    @Test
    void theDeadLetterOfABatchStaysInTheTraceOfItsRecord() {
        broker.send(topic, "1", "poison", "3");
        try (Application application = start()) {
            ConsumerRecord<byte[], byte[]> deadLetter =
                    broker.read(topic + "-dlt", 1).get(0);
            List<SpanData> failed = spans.await(
                    1,
                    span -> span.getKind() == SpanKind.CLIENT
                            && span.getStatus().getStatusCode() == StatusCode.ERROR);

            assertEquals(true, application.has(Shop.class));
            assertEquals(
                    BatchListenerFailedException.class.getName(),
                    failed.get(0).getAttributes().get(AttributeKey.stringKey("error.type")));
            assertEquals(
                    Records.TRACE,
                    Records.value(deadLetter.headers(), "traceparent").split("-")[1]);
            assertEquals(topic + "/0/1", Records.value(deadLetter.headers(), "unbroken-source"));
        }
        assertEquals(0, spans.open());
    }

    private Application start() {
        return Application.start(
                spans, broker, List.of(Shop.class), "topic=" + topic, "spring.kafka.listener.type=batch");
    }

    @Configuration
    @EnableAutoConfiguration
    static class Shop {

        private final BatchRecords records;

        Shop(BatchRecords records) {
            this.records = records;
        }

        @KafkaListener(topics = "${topic}")
        void handle(List<ConsumerRecord<String, String>> orders) {
            for (ConsumerRecord<String, String> order : orders) {
                records.process(order, handled -> {
                    if (handled.value().equals("poison")) {
                        throw new BatchListenerFailedException("poison", handled);
                    }
                });
            }
        }

        @Bean
        DefaultErrorHandler errorHandler(KafkaTemplate<?, ?> template, ForwardedHeaders headers) {
            DeadLetterPublishingRecoverer recoverer = new DeadLetterPublishingRecoverer(template);
            recoverer.addHeadersFunction(headers);
            return new DefaultErrorHandler(recoverer, new FixedBackOff(0, 0));
        }
    }
}
