package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.KafkaTemplate;

/** A listener that sends in the transaction of its container. */
class TransactionTest {

    private static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");

    private final Spans spans = new Spans();
    private final Broker broker = Broker.real();
    private final String topic = broker.topic("orders", 1);
    private final String prefix = "tx-" + UUID.randomUUID() + "-";

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aRecordThatIsRolledBackOnceIsSentOnInTheTraceOfItsOrder(boolean isInterceptedBefore) {
        try (Application application = start(InterceptedBefore.class, "intercepted-before=" + isInterceptedBefore)) {
            broker.send(topic, "fail once");
            ConsumerRecord<byte[], byte[]> sent =
                    broker.read(topic + "-paid", 1).get(0);
            List<SpanData> processed = spans.await(2, span -> span.getKind() == SpanKind.CONSUMER);

            assertEquals(
                    List.of(StatusCode.ERROR, StatusCode.UNSET),
                    processed.stream()
                            .map(span -> span.getStatus().getStatusCode())
                            .toList());
            assertEquals(
                    List.of(Records.PARENT, Records.PARENT),
                    processed.stream().map(SpanData::getParentSpanId).toList());
            assertEquals(
                    Records.TRACE, Records.value(sent.headers(), "traceparent").split("-")[1]);
            assertClean(application);
        }
    }

    @Test
    void aRecordWhoseProducerIsFencedHasASpanThatEnds() {
        try (Application application = start(Shop.class)) {
            broker.send(topic, "fence");
            SpanData fenced =
                    spans.await(1, span -> span.getKind() == SpanKind.CONSUMER).get(0);

            // The second where the fenced producer is found out before the commit, in which case the container reports
            // it.
            assertTrue(Set.of(RecordAbandoned.class.getName(), ProducerFencedException.class.getName())
                    .contains(fenced.getAttributes().get(ERROR_TYPE)));
            assertClean(application);
            broker.send(topic, "afterwards");
            SpanData next =
                    spans.await(2, span -> span.getKind() == SpanKind.CONSUMER).get(1);
            assertNull(next.getAttributes().get(ERROR_TYPE));
        }
    }

    private void assertClean(Application application) {
        assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
        spans.awaitAllEnded();
    }

    private Application start(Class<?> configuration, String... properties) {
        List<String> all = new ArrayList<>(List.of(
                "topic=" + topic,
                "prefix=" + prefix,
                "spring.kafka.producer.transaction-id-prefix=" + prefix,
                "spring.kafka.consumer.enable-auto-commit=false"));
        all.addAll(List.of(properties));
        return Application.start(spans, broker, List.of(configuration, ContextProbe.class), all.toArray(String[]::new));
    }

    @Configuration
    @EnableAutoConfiguration
    static class Shop {

        private final KafkaTemplate<String, String> template;
        private boolean hasFailed;

        @Value("${spring.kafka.bootstrap-servers}")
        private String bootstrap;

        @Value("${prefix}")
        private String prefix;

        Shop(KafkaTemplate<String, String> template) {
            this.template = template;
        }

        @KafkaListener(topics = "${topic}")
        void handle(ConsumerRecord<String, String> order) {
            template.send(order.topic() + "-paid", order.value());
            if (order.value().equals("fail once") && !hasFailed) {
                hasFailed = true;
                throw new IllegalStateException("poison");
            }
            if (order.value().equals("fence")) {
                fence();
            }
        }

        /** Takes the transactional id of the container's producer away, whichever of the first it is. */
        private void fence() {
            for (int suffix = 0; suffix < 3; suffix++) {
                Map<String, Object> settings =
                        Map.of("bootstrap.servers", bootstrap, "transactional.id", prefix + suffix);
                try (KafkaProducer<String, String> other =
                        new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                    other.initTransactions();
                }
            }
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class InterceptedBefore extends Shop {

        InterceptedBefore(
                KafkaTemplate<String, String> template,
                ConcurrentKafkaListenerContainerFactory<?, ?> factory,
                @Value("${intercepted-before}") boolean isInterceptedBefore) {
            super(template);
            factory.setContainerCustomizer(container -> container.setInterceptBeforeTx(isInterceptedBefore));
        }
    }
}
