package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.kafka.listener.KafkaBackoffException;
import org.springframework.kafka.listener.ListenerExecutionFailedException;
import org.springframework.kafka.listener.RecordInterceptor;
import org.springframework.kafka.support.serializer.DeserializationException;

/** The interceptor, called in every order in which a container calls one. */
class UnbrokenRecordInterceptorTest {

    private static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");

    private final Spans spans = new Spans();

    @RegisterExtension
    final CleanEnd cleanEnd = new CleanEnd(spans);

    private final Unbroken unbroken = Unbroken.create(spans.openTelemetry());
    private final Consumer<String, String> consumer = Consumers.mock();
    private final UnbrokenRecordInterceptor<String, String> interceptor = new UnbrokenRecordInterceptor<>(unbroken);
    private final ConsumerRecord<String, String> record = Records.record("orders", 1);

    @Test
    void theSpanOfTheRecordIsCurrentUntilAfterRecord() {
        interceptor.intercept(record, consumer);
        Span inListener = Span.current();
        interceptor.success(record, consumer);
        Span afterListener = Span.current();
        interceptor.afterRecord(record, consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(process.getSpanContext(), inListener.getSpanContext());
        assertSame(inListener, afterListener);
    }

    @Test
    void theSpanIsAChildOfTheOneThatCreatedTheRecord() {
        handle(record);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals("process orders", process.getName());
        assertEquals(Records.TRACE, process.getTraceId());
        assertEquals(Records.PARENT, process.getParentSpanId());
    }

    @Test
    void theErrorHandlerRunsInTheSpan() {
        interceptor.intercept(record, consumer);
        Span inListener = Span.current();
        interceptor.failure(record, new IllegalStateException("poison"), consumer);
        Span inErrorHandler = Span.current();
        interceptor.afterRecord(record, consumer);

        assertSame(inListener, inErrorHandler);
    }

    @Test
    void theSpanHasTheExceptionOfTheApplicationAndNotItsWrapper() {
        interceptor.intercept(record, consumer);
        interceptor.failure(
                record, new ListenerExecutionFailedException("wrapped", new IllegalStateException("poison")), consumer);
        interceptor.afterRecord(record, consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(StatusCode.ERROR, process.getStatus().getStatusCode());
        assertEquals("java.lang.IllegalStateException", process.getAttributes().get(ERROR_TYPE));
        assertEquals(1, process.getEvents().size());
    }

    @Test
    void aFailureStaysWithItsRecord() {
        interceptor.intercept(record, consumer);
        interceptor.failure(record, new IllegalStateException(), consumer);
        interceptor.afterRecord(record, consumer);
        handle(Records.record("orders", 2));

        assertEquals(
                List.of(StatusCode.ERROR, StatusCode.UNSET),
                spans.ended().stream()
                        .map(span -> span.getStatus().getStatusCode())
                        .toList());
    }

    @Test
    void anErrorOfTheListenerEndsTheSpanBeforeTheNextPoll() {
        interceptor.intercept(record, consumer);
        interceptor.clearThreadState(consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(StatusCode.ERROR, process.getStatus().getStatusCode());
        assertEquals(RecordAbandoned.class.getName(), process.getAttributes().get(ERROR_TYPE));
    }

    @Test
    void aPollEndsWhatIsStillOpen() {
        interceptor.intercept(record, consumer);
        interceptor.setupThreadState(consumer);

        assertEquals(1, spans.ended().size());
    }

    @Test
    void aFencedProducerLeavesTheSpanToTheNextRecord() {
        interceptor.intercept(record, consumer);
        interceptor.success(record, consumer);
        handle(Records.record("orders", 2));

        assertEquals(2, spans.ended().size());
        assertEquals(
                RecordAbandoned.class.getName(),
                spans.ended().get(0).getAttributes().get(ERROR_TYPE));
        assertNull(spans.ended().get(1).getAttributes().get(ERROR_TYPE));
    }

    @Test
    void aRecordThatCannotBeDeserializedIsHandledInItsSpan() {
        interceptor.failure(record, new DeserializationException("no JSON", new byte[0], false, null), consumer);
        Span inErrorHandler = Span.current();
        interceptor.afterRecord(record, consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(process.getSpanContext(), inErrorHandler.getSpanContext());
        assertEquals(Records.TRACE, process.getTraceId());
        assertEquals(
                DeserializationException.class.getName(),
                process.getAttributes().get(ERROR_TYPE));
    }

    @Test
    void aFailureOfAnotherRecordEndsWhatIsStillOpen() {
        interceptor.intercept(record, consumer);
        ConsumerRecord<String, String> broken = Records.record("orders", 2);
        interceptor.failure(broken, new IllegalStateException(), consumer);
        interceptor.afterRecord(broken, consumer);

        assertEquals(
                List.of(1L, 2L),
                spans.ended().stream()
                        .map(span -> span.getAttributes().get(AttributeKey.longKey("messaging.kafka.offset")))
                        .toList());
    }

    @Test
    void aRecordWhoseTimeHasNotComeIsPostponedAndHasNotFailed() {
        interceptor.intercept(record, consumer);
        KafkaBackoffException backoff =
                new KafkaBackoffException("later", new TopicPartition("orders", 0), "listener", 1L);
        interceptor.failure(record, new ListenerExecutionFailedException("wrapped", backoff), consumer);
        interceptor.afterRecord(record, consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(StatusCode.UNSET, process.getStatus().getStatusCode());
        assertEquals(true, process.getAttributes().get(AttributeKey.booleanKey(RecordBlock.POSTPONED)));
    }

    @Test
    void aRecordThatADelegateSkipsHasASpanThatEnds() {
        UnbrokenRecordInterceptor<String, String> skipping = around(new Noted() {
            @Override
            public ConsumerRecord<String, String> intercept(
                    ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
                return null;
            }
        });
        assertNull(skipping.intercept(record, consumer));
        skipping.success(record, consumer);
        skipping.afterRecord(record, consumer);

        assertEquals(StatusCode.UNSET, spans.only(SpanKind.CONSUMER).getStatus().getStatusCode());
    }

    @Test
    void theExceptionOfADelegateThatInterceptsPassesAndIsOnTheSpan() {
        IllegalStateException refused = new IllegalStateException("refused");
        UnbrokenRecordInterceptor<String, String> refusing = around(new Noted() {
            @Override
            public ConsumerRecord<String, String> intercept(
                    ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
                throw refused;
            }
        });
        assertSame(refused, assertThrows(RuntimeException.class, () -> refusing.intercept(record, consumer)));
        refusing.clearThreadState(consumer); // before a transaction the container calls nothing else

        assertEquals(
                IllegalStateException.class.getName(),
                spans.only(SpanKind.CONSUMER).getAttributes().get(ERROR_TYPE));
    }

    @Test
    void everyMethodOfADelegateIsCalled() {
        Noted delegate = new Noted();
        UnbrokenRecordInterceptor<String, String> wrapping = around(delegate);
        wrapping.setupThreadState(consumer);
        wrapping.intercept(record, consumer);
        wrapping.success(record, consumer);
        wrapping.failure(record, new IllegalStateException(), consumer);
        wrapping.afterRecord(record, consumer);
        wrapping.clearThreadState(consumer);

        assertEquals(
                List.of("setupThreadState", "intercept", "success", "failure", "afterRecord", "clearThreadState"),
                delegate.calls);
    }

    @Test
    void aDelegateIsCalledInTheSpan() {
        Noted delegate = new Noted();
        UnbrokenRecordInterceptor<String, String> wrapping = around(delegate);
        wrapping.intercept(record, consumer);
        wrapping.failure(record, new IllegalStateException(), consumer);
        wrapping.afterRecord(record, consumer);

        String traced = spans.only(SpanKind.CONSUMER).getSpanId();
        assertEquals(List.of(traced, traced, traced), delegate.spanIds);
    }

    @Test
    void aDelegateThatRaisesAnywhereLeavesNothingOpen() {
        UnbrokenRecordInterceptor<String, String> raising = around(new Raising());
        assertThrows(IllegalStateException.class, () -> raising.setupThreadState(consumer));
        assertThrows(IllegalStateException.class, () -> raising.intercept(record, consumer));
        assertThrows(IllegalStateException.class, () -> raising.success(record, consumer));
        assertThrows(IllegalStateException.class, () -> raising.failure(record, new RuntimeException(), consumer));
        assertThrows(IllegalStateException.class, () -> raising.afterRecord(record, consumer));
        assertSame(cleanEnd.before(), Context.current());
        assertThrows(IllegalStateException.class, () -> raising.clearThreadState(consumer));

        assertEquals(1, spans.ended().size());
    }

    @Test
    void aRecordThatADelegateReplacesKeepsItsSpan() {
        ConsumerRecord<String, String> other = Records.record("orders", 1);
        UnbrokenRecordInterceptor<String, String> replacing = around(new Noted() {
            @Override
            public ConsumerRecord<String, String> intercept(
                    ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
                return other;
            }
        });
        assertSame(other, replacing.intercept(record, consumer));
        replacing.failure(other, new IllegalStateException(), consumer);
        replacing.afterRecord(other, consumer);

        assertEquals(1, spans.ended().size());
    }

    @Test
    void nothingIsWrittenIntoTheRecord() {
        RecordHeaders headers = (RecordHeaders) record.headers();
        headers.setReadOnly();
        List<?> known = List.of(headers.toArray());
        handle(record);

        assertEquals(known, List.of(record.headers().toArray()));
    }

    @Test
    void whatWasCurrentAroundTheContainerIsCurrentAgain() {
        Span around = spans.start("around");
        try (Scope scope = around.makeCurrent()) {
            assertNotSame(Scope.noop(), scope);
            handle(record);
            assertSame(around, Span.current());
        } finally {
            around.end();
        }
    }

    @Test
    void theSpanTellsTheConsumer() {
        UnbrokenRecordInterceptor<String, String> knowing =
                new UnbrokenRecordInterceptor<>(unbroken, null, Map.of("bootstrap.servers", "broker:9092"));
        knowing.intercept(record, consumer);
        knowing.afterRecord(record, consumer);

        SpanData process = spans.only(SpanKind.CONSUMER);
        assertEquals(
                Consumers.GROUP, process.getAttributes().get(AttributeKey.stringKey("messaging.consumer.group.name")));
        assertEquals("broker", process.getAttributes().get(AttributeKey.stringKey("server.address")));
        assertEquals(9092L, process.getAttributes().get(AttributeKey.longKey("server.port")));
    }

    @Test
    void twoContainersHaveTheirOwnSpansAtTheSameTime() throws Exception {
        CyclicBarrier bothInside = new CyclicBarrier(2);
        CompletableFuture<String> first = CompletableFuture.supplyAsync(() -> spanOf("first", bothInside));
        CompletableFuture<String> second = CompletableFuture.supplyAsync(() -> spanOf("second", bothInside));

        assertEquals("process first", nameOf(first.get()));
        assertEquals("process second", nameOf(second.get()));
    }

    private String spanOf(String topic, CyclicBarrier bothInside) {
        ConsumerRecord<String, String> record = Records.record(topic, 1);
        try {
            interceptor.intercept(record, consumer);
            bothInside.await();
            return Span.current().getSpanContext().getSpanId();
        } catch (Exception error) {
            throw new AssertionError(error);
        } finally {
            interceptor.afterRecord(record, consumer);
        }
    }

    private String nameOf(String spanId) {
        return spans.ended().stream()
                .filter(span -> span.getSpanId().equals(spanId))
                .findFirst()
                .orElseThrow()
                .getName();
    }

    private void handle(ConsumerRecord<String, String> record) {
        interceptor.intercept(record, consumer);
        interceptor.success(record, consumer);
        interceptor.afterRecord(record, consumer);
    }

    private UnbrokenRecordInterceptor<String, String> around(RecordInterceptor<String, String> delegate) {
        return new UnbrokenRecordInterceptor<>(unbroken, delegate);
    }

    /** Notes which of its methods are called, and in which span. */
    private static class Noted implements RecordInterceptor<String, String> {

        final List<String> calls = new ArrayList<>();
        final List<String> spanIds = new ArrayList<>();

        @Override
        public ConsumerRecord<String, String> intercept(
                ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
            note("intercept");
            return record;
        }

        @Override
        public void success(ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
            note("success");
        }

        @Override
        public void failure(
                ConsumerRecord<String, String> record, Exception exception, Consumer<String, String> consumer) {
            note("failure");
        }

        @Override
        public void afterRecord(ConsumerRecord<String, String> record, Consumer<String, String> consumer) {
            note("afterRecord");
        }

        @Override
        public void setupThreadState(Consumer<?, ?> consumer) {
            note("setupThreadState");
        }

        @Override
        public void clearThreadState(Consumer<?, ?> consumer) {
            note("clearThreadState");
        }

        void note(String call) {
            calls.add(call);
            spanIds.add(Span.current().getSpanContext().getSpanId());
        }
    }

    private static final class Raising extends Noted {

        @Override
        void note(String call) {
            throw new IllegalStateException(call);
        }
    }
}
