package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.event.EventListener;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.TopicPartition;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.event.ConsumerStoppedEvent;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.support.serializer.DeserializationException;
import org.springframework.kafka.support.serializer.ErrorHandlingDeserializer;
import org.springframework.util.backoff.FixedBackOff;
import reactor.core.publisher.Mono;

/** What listeners do to a container, on a container. */
class ContainerTest {

    private static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");

    private final Spans spans = new Spans();
    private final Broker broker = Broker.embedded();
    private final String topic = broker.topic("orders", 2);

    @Test
    void anErrorStopsTheContainerAndEndsTheSpan() throws Exception {
        try (Application application = start(List.of(Failing.class))) {
            broker.send(topic, "1");
            assertEquals(
                    ConsumerStoppedEvent.Reason.ERROR,
                    application.bean(Failing.class).stopped.poll(120, TimeUnit.SECONDS));
            spans.awaitAllEnded();

            assertEquals(
                    RecordAbandoned.class.getName(),
                    spans.only(SpanKind.CONSUMER).getAttributes().get(ERROR_TYPE));
        }
    }

    @Test
    void aRecordThatCannotBeDeserializedGoesToTheDeadLettersInItsTrace() {
        try (Application application = start(
                List.of(Burying.class, ContextProbe.class),
                "spring.kafka.consumer.value-deserializer=" + ErrorHandlingDeserializer.class.getName(),
                "spring.kafka.consumer.properties[spring.deserializer.value.delegate.class]="
                        + IntegerDeserializer.class.getName(),
                "spring.kafka.producer.value-serializer=" + ByteArraySerializer.class.getName())) {
            broker.send(topic, "no integer");
            ConsumerRecord<byte[], byte[]> deadLetter =
                    broker.read(topic + "-dlt", 1).get(0);
            SpanData processed =
                    spans.await(1, span -> span.getKind() == SpanKind.CONSUMER).get(0);
            SpanData sent = spans.only(SpanKind.PRODUCER);

            assertEquals(
                    DeserializationException.class.getName(),
                    processed.getAttributes().get(ERROR_TYPE));
            assertEquals(Records.PARENT, processed.getParentSpanId());
            assertEquals(processed.getSpanId(), sent.getParentSpanId());
            assertEquals(sent.getSpanId(), Records.parentId(deadLetter.headers()));
            assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
        }
        assertEquals(0, spans.open());
    }

    @Test
    void twoContainersHandleTheirRecordsInTheirOwnSpansAtTheSameTime() {
        assertAtTheSameTime(Two.class);
    }

    @Test
    void twoThreadsOfAContainerHandleTheirRecordsInTheirOwnSpansAtTheSameTime() {
        assertAtTheSameTime(Concurrent.class);
    }

    private void assertAtTheSameTime(Class<? extends Meeting> type) {
        try (Application application = start(List.of(type))) {
            CompletableFuture<Void> sent = CompletableFuture.allOf(
                    application.template().send(topic, 0, "left", "left"),
                    application.template().send(topic, 1, "right", "right"));
            List<SpanData> processed = spans.await(2, span -> span.getKind() == SpanKind.CONSUMER);

            sent.join();
            Map<String, String> seen = application.bean(type).seen;
            for (SpanData span : processed) {
                assertEquals(
                        seen.get(span.getAttributes().get(AttributeKey.stringKey("messaging.kafka.message.key"))),
                        span.getSpanId());
            }
            assertNotEquals(seen.get("left"), seen.get("right"));
        }
        assertEquals(0, spans.open());
    }

    @Test
    void theSpanOfAnAsynchronousListenerEndsWithItsFuture() {
        assertEndsWithItsFuture(Promising.class);
    }

    @Test
    void theSpanOfAListenerWithAMonoEndsWithItsFuture() {
        assertEndsWithItsFuture(Reactive.class);
    }

    private void assertEndsWithItsFuture(Class<? extends Working> type) {
        try (Application application = start(List.of(type, ContextProbe.class))) {
            broker.send(topic, "1");
            Working listener = application.bean(type);
            String spanId = listener.awaitStart();
            assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
            assertEquals(1, spans.open());
            listener.work.completeExceptionally(new IllegalStateException("poison"));
            SpanData processed =
                    spans.await(1, span -> span.getKind() == SpanKind.CONSUMER).get(0);

            assertEquals(spanId, processed.getSpanId());
            assertEquals(
                    IllegalStateException.class.getName(),
                    processed.getAttributes().get(ERROR_TYPE));
        }
        assertEquals(0, spans.open());
    }

    private Application start(List<Class<?>> classes, String... properties) {
        List<String> all = new ArrayList<>(List.of(properties));
        all.add("topic=" + topic);
        return Application.start(spans, broker, classes, all.toArray(String[]::new));
    }

    @Configuration
    @EnableAutoConfiguration
    static class Failing {

        final BlockingQueue<ConsumerStoppedEvent.Reason> stopped = new LinkedBlockingQueue<>();

        @KafkaListener(topics = "${topic}")
        void handle(String order) {
            throw new AssertionError("of the listener");
        }

        @EventListener
        void on(ConsumerStoppedEvent event) {
            stopped.add(event.getReason());
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Burying {

        @KafkaListener(topics = "${topic}")
        void handle(Integer order) {}

        @Bean
        DefaultErrorHandler errorHandler(KafkaTemplate<?, ?> template) {
            return new DefaultErrorHandler(new DeadLetterPublishingRecoverer(template), new FixedBackOff(0, 0));
        }
    }

    /** Partitions are assigned, not subscribed: a thread that waits for the other would keep it from joining the group. */
    abstract static class Meeting {

        final Map<String, String> seen = new ConcurrentHashMap<>();
        private final CyclicBarrier bothInside = new CyclicBarrier(2);

        void meet(ConsumerRecord<String, String> order) throws Exception {
            bothInside.await(120, TimeUnit.SECONDS);
            seen.put(order.key(), Span.current().getSpanContext().getSpanId());
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Two extends Meeting {

        @KafkaListener(topicPartitions = @TopicPartition(topic = "${topic}", partitions = "0"))
        @KafkaListener(topicPartitions = @TopicPartition(topic = "${topic}", partitions = "1"))
        void handle(ConsumerRecord<String, String> order) throws Exception {
            meet(order);
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Concurrent extends Meeting {

        @KafkaListener(
                topicPartitions =
                        @TopicPartition(
                                topic = "${topic}",
                                partitions = {"0", "1"}),
                concurrency = "2")
        void handle(ConsumerRecord<String, String> order) throws Exception {
            meet(order);
        }
    }

    abstract static class Working {

        final CompletableFuture<Void> work = new CompletableFuture<>();
        private final CompletableFuture<String> started = new CompletableFuture<>();

        String awaitStart() {
            return started.join();
        }

        void start() {
            started.complete(Span.current().getSpanContext().getSpanId());
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Promising extends Working {

        @KafkaListener(topics = "${topic}")
        CompletableFuture<Void> handle(String order) {
            start();
            return AsyncListener.hold(work);
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Reactive extends Working {

        @KafkaListener(topics = "${topic}")
        CompletableFuture<Void> handle(String order) {
            start();
            return AsyncListener.hold(Mono.fromFuture(work).toFuture());
        }
    }
}
