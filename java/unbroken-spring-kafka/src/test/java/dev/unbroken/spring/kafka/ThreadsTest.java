package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.unbroken.kafka.ProcessScope;
import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.scheduling.annotation.Async;
import org.springframework.scheduling.annotation.EnableAsync;

/** The context in the threads to which a listener hands its work. */
class ThreadsTest {

    private final Spans spans = new Spans();
    private final Unbroken unbroken = Unbroken.create(spans.openTelemetry());

    @Test
    void anAsyncMethodIsInTheTraceOfTheRecord() {
        assertAnAsyncMethodIsInTheTraceOfTheRecord("spring.threads.virtual.enabled=false");
    }

    @Test
    @EnabledForJreRange(min = JRE.JAVA_21)
    void anAsyncMethodOnAVirtualThreadIsInTheTraceOfTheRecord() {
        assertAnAsyncMethodIsInTheTraceOfTheRecord("spring.threads.virtual.enabled=true");
    }

    @Test
    @EnabledForJreRange(min = JRE.JAVA_21)
    void aListenerOnAVirtualThreadRunsInItsSpanAndLeavesNothing() {
        Broker broker = Broker.embedded();
        String topic = broker.topic("orders", 1);
        try (Application application = Application.start(
                spans,
                broker,
                List.of(Listening.class, ContextProbe.class),
                "topic=" + topic,
                "spring.threads.virtual.enabled=true")) {
            broker.send(topic, "1");
            String seen = application.bean(Listening.class).seen.join();
            SpanData processed =
                    spans.await(1, span -> span.getKind() == SpanKind.CONSUMER).get(0);

            assertEquals(processed.getSpanId() + " on a virtual thread", seen);
            assertSame(Context.root(), application.bean(ContextProbe.class).awaitPoll());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anExecutorThatOpenTelemetryWrapsCarriesTheContext(boolean isFuture) throws Exception {
        ExecutorService pool = Executors.newSingleThreadExecutor();
        ExecutorService wrapped = Context.taskWrapping(pool);
        try (ProcessScope scope = unbroken.open(Records.record("orders", 1))) {
            String seen = isFuture
                    ? CompletableFuture.supplyAsync(ThreadsTest::currentSpan, wrapped)
                            .get(120, TimeUnit.SECONDS)
                    : wrapped.submit(ThreadsTest::currentSpan).get(120, TimeUnit.SECONDS);

            assertEquals(scope.span().getSpanContext().getSpanId(), seen);
            assertEquals(
                    "0000000000000000", pool.submit(ThreadsTest::currentSpan).get(120, TimeUnit.SECONDS));
        } finally {
            pool.shutdown();
        }
    }

    private void assertAnAsyncMethodIsInTheTraceOfTheRecord(String property) {
        try (Application application =
                Application.start(spans, new Broker("127.0.0.1:1"), List.of(Working.class), property)) {
            try (ProcessScope scope = unbroken.open(Records.record("orders", 1))) {
                assertEquals(
                        scope.span().getSpanContext().getSpanId(),
                        application.bean(Working.class).work().join());
            }
        }
    }

    private static String currentSpan() {
        return Span.current().getSpanContext().getSpanId();
    }

    @Configuration
    @EnableAutoConfiguration
    @EnableAsync
    static class Working {

        @Async
        CompletableFuture<String> work() {
            return CompletableFuture.completedFuture(currentSpan());
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Listening {

        final CompletableFuture<String> seen = new CompletableFuture<>();

        @KafkaListener(topics = "${topic}")
        void handle(String order) {
            String kind = Thread.currentThread().toString().startsWith("VirtualThread") ? "a virtual" : "a platform";
            seen.complete(currentSpan() + " on " + kind + " thread");
        }
    }
}
