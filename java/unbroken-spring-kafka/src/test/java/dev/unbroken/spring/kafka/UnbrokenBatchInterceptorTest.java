package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.kafka.listener.BatchInterceptor;
import org.springframework.kafka.listener.ListenerExecutionFailedException;

/** The interceptor of batches, called in every order in which a container calls one. */
class UnbrokenBatchInterceptorTest {

    private static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");

    private final Spans spans = new Spans();

    @RegisterExtension
    final CleanEnd cleanEnd = new CleanEnd(spans);

    private final Unbroken unbroken = Unbroken.create(spans.openTelemetry());
    private final Consumer<String, String> consumer = Consumers.mock();
    private final UnbrokenBatchInterceptor<String, String> interceptor = new UnbrokenBatchInterceptor<>(unbroken);
    private final ConsumerRecords<String, String> batch =
            Batches.of(List.of(Records.record("orders", 1), Records.record("orders", 2)));

    @Test
    void aBatchHasOneSpanLinkedToEachRecord() {
        interceptor.intercept(batch, consumer);
        interceptor.success(batch, consumer);

        SpanData poll = spans.only(SpanKind.CLIENT);
        assertEquals("poll orders", poll.getName());
        assertEquals(2, poll.getLinks().size());
        assertEquals(2L, poll.getAttributes().get(AttributeKey.longKey("messaging.batch.message_count")));
    }

    @Test
    void eachRecordIsProcessedInItsOwnTrace() {
        BatchRecords records = new BatchRecords(unbroken);
        interceptor.intercept(batch, consumer);
        for (ConsumerRecord<String, String> record : batch) {
            records.process(record, handled -> {});
        }
        interceptor.success(batch, consumer);

        List<SpanData> processed = spans.await(2, span -> span.getKind() == SpanKind.CONSUMER);
        assertEquals(
                List.of(Records.PARENT, Records.PARENT),
                processed.stream().map(SpanData::getParentSpanId).toList());
    }

    @Test
    void aRecordOfABatchTellsTheConsumer() {
        BatchRecords records = new BatchRecords(unbroken);
        interceptor.intercept(batch, consumer);
        records.open(batch.iterator().next()).close();
        interceptor.success(batch, consumer);

        assertEquals(
                Consumers.GROUP,
                spans.only(SpanKind.CONSUMER)
                        .getAttributes()
                        .get(AttributeKey.stringKey("messaging.consumer.group.name")));
    }

    @Test
    void theExceptionOfTheListenerIsOnTheSpan() {
        interceptor.intercept(batch, consumer);
        interceptor.failure(
                batch, new ListenerExecutionFailedException("wrapped", new IllegalStateException("poison")), consumer);

        SpanData poll = spans.only(SpanKind.CLIENT);
        assertEquals(StatusCode.ERROR, poll.getStatus().getStatusCode());
        assertEquals("java.lang.IllegalStateException", poll.getAttributes().get(ERROR_TYPE));
    }

    @Test
    void anErrorOfTheListenerEndsTheSpanBeforeTheNextPoll() {
        interceptor.intercept(batch, consumer);
        interceptor.clearThreadState(consumer);

        assertEquals(
                RecordAbandoned.class.getName(),
                spans.only(SpanKind.CLIENT).getAttributes().get(ERROR_TYPE));
    }

    @Test
    void aPollEndsWhatIsStillOpen() {
        interceptor.intercept(batch, consumer);
        interceptor.setupThreadState(consumer);

        assertEquals(1, spans.ended().size());
    }

    @Test
    void aBatchThatIsHandedOutAgainEndsTheSpanThatIsStillOpen() {
        interceptor.intercept(batch, consumer);
        interceptor.intercept(batch, consumer);
        interceptor.success(batch, consumer);

        assertEquals(2, spans.ended().size());
        assertNull(spans.ended().get(1).getAttributes().get(ERROR_TYPE));
    }

    @Test
    void aBatchThatADelegateSkipsHasASpanThatEndsAtOnce() {
        UnbrokenBatchInterceptor<String, String> skipping =
                new UnbrokenBatchInterceptor<>(unbroken, (records, consumer) -> null);
        assertNull(skipping.intercept(batch, consumer));

        assertEquals(StatusCode.UNSET, spans.only(SpanKind.CLIENT).getStatus().getStatusCode());
    }

    @Test
    void theExceptionOfADelegateThatInterceptsPassesAndEndsTheSpan() {
        IllegalStateException refused = new IllegalStateException("refused");
        UnbrokenBatchInterceptor<String, String> refusing =
                new UnbrokenBatchInterceptor<>(unbroken, (records, consumer) -> {
                    throw refused;
                });
        assertSame(refused, assertThrows(RuntimeException.class, () -> refusing.intercept(batch, consumer)));

        assertEquals(StatusCode.ERROR, spans.only(SpanKind.CLIENT).getStatus().getStatusCode());
    }

    @Test
    void everyMethodOfADelegateIsCalled() {
        Noted delegate = new Noted();
        UnbrokenBatchInterceptor<String, String> wrapping = new UnbrokenBatchInterceptor<>(unbroken, delegate);
        wrapping.setupThreadState(consumer);
        wrapping.intercept(batch, consumer);
        wrapping.success(batch, consumer);
        wrapping.failure(batch, new IllegalStateException(), consumer);
        wrapping.clearThreadState(consumer);

        assertEquals(
                List.of("setupThreadState", "intercept", "success", "failure", "clearThreadState"), delegate.calls);
    }

    @Test
    void aDelegateThatRaisesAnywhereLeavesNothingOpen() {
        UnbrokenBatchInterceptor<String, String> raising = new UnbrokenBatchInterceptor<>(unbroken, new Raising());
        assertThrows(IllegalStateException.class, () -> raising.setupThreadState(consumer));
        raising.intercept(batch, consumer);
        assertThrows(IllegalStateException.class, () -> raising.success(batch, consumer));
        assertSame(cleanEnd.before(), Context.current());
        raising.intercept(batch, consumer);
        assertThrows(IllegalStateException.class, () -> raising.failure(batch, new RuntimeException(), consumer));
        assertSame(cleanEnd.before(), Context.current());
        assertThrows(IllegalStateException.class, () -> raising.clearThreadState(consumer));

        assertEquals(2, spans.ended().size());
    }

    /** Batches as a consumer returns them. */
    static final class Batches {

        private Batches() {}

        @SuppressWarnings("deprecation") // kafka-clients 3 has no other constructor
        static ConsumerRecords<String, String> of(List<ConsumerRecord<String, String>> records) {
            return new ConsumerRecords<>(Map.of(new TopicPartition("orders", 0), records));
        }
    }

    private static class Noted implements BatchInterceptor<String, String> {

        final List<String> calls = new ArrayList<>();

        @Override
        public ConsumerRecords<String, String> intercept(
                ConsumerRecords<String, String> records, Consumer<String, String> consumer) {
            calls.add("intercept");
            return records;
        }

        @Override
        public void success(ConsumerRecords<String, String> records, Consumer<String, String> consumer) {
            note("success");
        }

        @Override
        public void failure(
                ConsumerRecords<String, String> records, Exception exception, Consumer<String, String> consumer) {
            note("failure");
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
        }
    }

    private static final class Raising extends Noted {

        @Override
        void note(String call) {
            throw new IllegalStateException(call);
        }
    }
}
