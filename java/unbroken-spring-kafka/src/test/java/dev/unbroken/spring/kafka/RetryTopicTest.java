package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.DltHandler;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.retrytopic.RetryTopicConfigurationSupport;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/** Three attempts through retry topics, then the handler of dead letters. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RetryTopicTest {

    private static final AttributeKey<Boolean> POSTPONED = AttributeKey.booleanKey(RecordBlock.POSTPONED);

    private final Spans spans = new Spans();
    private final List<ConsumerRecord<byte[], byte[]>> wire = new ArrayList<>();
    private Application application;
    private List<SpanData> attempts;

    @BeforeAll
    void anOrderFailsThreeTimes() {
        Broker broker = Broker.real();
        String topic = broker.topic("orders", 1);
        application = Application.start(
                spans, broker, List.of(Shop.class, Retries.class, ContextProbe.class), "topic=" + topic);
        broker.send(topic, "order 1");
        // By their starts: the handler of dead letters, on its own thread, may end before the attempt that sent to it.
        attempts = spans.await(4, span -> span.getKind() == SpanKind.CONSUMER && isAttempt(span)).stream()
                .sorted(Comparator.comparingLong(SpanData::getStartEpochNanos))
                .toList();
        for (String each : broker.topicsOf(topic)) {
            wire.addAll(broker.read(each, 1));
        }
    }

    @AfterAll
    void stop() {
        if (application != null) {
            application.close();
        }
    }

    @Test
    void everythingIsTheTraceOfTheOrder() {
        assertEquals(
                List.of(Records.TRACE),
                spans.ended().stream().map(SpanData::getTraceId).distinct().toList());
    }

    @Test
    void threeAttemptsFailAndTheHandlerOfDeadLettersDoesNot() {
        assertEquals(
                List.of(StatusCode.ERROR, StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET),
                attempts.stream().map(span -> span.getStatus().getStatusCode()).toList());
    }

    @Test
    void eachAttemptIsCausedByTheOneBefore() {
        for (int attempt = 1; attempt < attempts.size(); attempt++) {
            SpanData sent = spanOf(attempts.get(attempt).getParentSpanId());
            assertEquals(SpanKind.PRODUCER, sent.getKind());
            assertEquals(attempts.get(attempt - 1).getSpanId(), sent.getParentSpanId());
        }
    }

    @Test
    void everyRecordOnTheWireHasOneTraceparent() {
        assertEquals(
                List.of(1),
                wire.stream()
                        .map(record ->
                                Records.values(record.headers(), "traceparent").size())
                        .distinct()
                        .toList());
        assertEquals(
                4,
                wire.stream()
                        .map(record -> Records.parentId(record.headers()))
                        .distinct()
                        .count());
    }

    @Test
    void everyHopIsCounted() {
        Set<String> counted = new TreeSet<>();
        wire.forEach(record -> counted.addAll(Records.values(record.headers(), "unbroken-attempt")));
        assertEquals(Set.of("1", "2", "3"), counted);
    }

    @Test
    void aDeliveryBeforeItsTimeIsNoFailure() {
        assertEquals(
                List.of(),
                spans.ended().stream()
                        .filter(span -> !isAttempt(span) && span.getStatus().getStatusCode() == StatusCode.ERROR)
                        .toList());
    }

    @Test
    void theContainersThreadsAreCleanAfterwards() {
        assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
        assertEquals(0, spans.open());
    }

    private static boolean isAttempt(SpanData span) {
        return span.getAttributes().get(POSTPONED) == null;
    }

    private SpanData spanOf(String spanId) {
        return spans.ended().stream()
                .filter(span -> span.getSpanId().equals(spanId))
                .findFirst()
                .orElseThrow();
    }

    static class Shop {

        @RetryableTopic(attempts = "3")
        @KafkaListener(topics = "${topic}")
        void handle(String order) {
            throw new IllegalStateException("poison");
        }

        @DltHandler
        void bury(String order) {}
    }

    @Configuration
    @EnableAutoConfiguration
    static class Retries extends RetryTopicConfigurationSupport {

        private final ForwardedHeaders headers;

        Retries(ForwardedHeaders headers) {
            this.headers = headers;
        }

        @Override
        protected void configureCustomizers(CustomizersConfigurer customizers) {
            customizers.customizeDeadLetterPublishingRecoverer(recoverer -> recoverer.addHeadersFunction(headers));
        }

        @Bean
        TaskScheduler scheduler() {
            return new ThreadPoolTaskScheduler();
        }
    }
}
