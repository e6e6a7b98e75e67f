package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.util.backoff.FixedBackOff;

/** Three blocking attempts, then the dead-letter topic, in an application that has only the dependency. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class DeadLetterTest {

    private final Spans spans = new Spans();
    private Application application;
    private SpanData placed;
    private List<SpanData> attempts;
    private List<SpanData> sent;
    private ConsumerRecord<byte[], byte[]> deadLetter;
    private String topic;

    @BeforeAll
    void anOrderFailsThreeTimes() {
        Broker broker = Broker.real();
        topic = broker.topic("orders", 1);
        application = Application.start(spans, broker, List.of(Shop.class, ContextProbe.class), "topic=" + topic);
        Span order = spans.start("place order");
        try (Scope scope = order.makeCurrent()) {
            assertSame(order, Span.current());
            application.template().send(topic, "order 1").join();
            assertEquals(false, scope == Scope.noop());
        } finally {
            order.end();
        }
        deadLetter = broker.read(topic + "-dlt", 1).get(0);
        sent = spans.await(2, span -> span.getKind() == SpanKind.PRODUCER);
        attempts = spans.await(3, span -> span.getKind() == SpanKind.CONSUMER);
        placed = spans.awaitNamed(1, "place order").get(0);
    }

    @AfterAll
    void stop() {
        if (application != null) {
            application.close();
        }
    }

    @Test
    void everythingIsOneTrace() {
        assertEquals(
                List.of(placed.getTraceId()),
                spans.ended().stream().map(SpanData::getTraceId).distinct().toList());
    }

    @Test
    void eachAttemptIsAFailedChildOfTheSendSpan() {
        String first = sent.get(0).getSpanId();
        assertEquals(
                List.of(first, first, first),
                attempts.stream().map(SpanData::getParentSpanId).toList());
        assertEquals(
                List.of(StatusCode.ERROR),
                attempts.stream()
                        .map(span -> span.getStatus().getStatusCode())
                        .distinct()
                        .toList());
    }

    @Test
    void theDeadLetterIsSentInTheLastAttempt() {
        assertEquals(attempts.get(2).getSpanId(), sent.get(1).getParentSpanId());
    }

    @Test
    void theDeadLetterHasOneTraceparentWhichIsThatOfItsSendSpan() {
        assertEquals(
                Records.traceparent(sent.get(1)).substring(0, 52),
                Records.value(deadLetter.headers(), "traceparent").substring(0, 52));
    }

    @Test
    void theDeadLetterSaysWhereItComesFrom() {
        assertEquals(
                sent.get(0).getSpanId(),
                Records.value(deadLetter.headers(), "unbroken-origin").split("-")[2]);
        assertEquals(topic + "/0/0", Records.value(deadLetter.headers(), "unbroken-source"));
        assertEquals("1", Records.value(deadLetter.headers(), "unbroken-attempt"));
        assertEquals("java.lang.IllegalStateException: poison", Records.value(deadLetter.headers(), "unbroken-error"));
    }

    @Test
    void theContainersThreadIsCleanAfterwards() {
        assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
        assertEquals(0, spans.open());
    }

    @Configuration
    @EnableAutoConfiguration
    static class Shop {

        @KafkaListener(topics = "${topic}")
        void handle(String order) {
            throw new IllegalStateException("poison");
        }

        @Bean
        DeadLetterPublishingRecoverer recoverer(KafkaTemplate<?, ?> template) {
            return new DeadLetterPublishingRecoverer(template);
        }

        @Bean
        DefaultErrorHandler errorHandler(DeadLetterPublishingRecoverer recoverer) {
            return new DefaultErrorHandler(recoverer, new FixedBackOff(0, 2));
        }
    }
}
