package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.kafka.listener.CompositeRecordInterceptor;

/** A listener that returns a future. */
class AsyncListenerTest {

    private static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");

    private final Spans spans = new Spans();

    @RegisterExtension
    final CleanEnd cleanEnd = new CleanEnd(spans);

    private final Unbroken unbroken = Unbroken.create(spans.openTelemetry());
    private final Consumer<String, String> consumer = Consumers.mock();
    private final UnbrokenRecordInterceptor<String, String> interceptor = new UnbrokenRecordInterceptor<>(unbroken);
    private final ConsumerRecord<String, String> record = Records.record("orders", 1);
    private final CompletableFuture<String> work = new CompletableFuture<>();

    @Test
    void theSpanEndsWithTheFuture() throws Exception {
        listen();
        assertEquals(1, spans.open());
        assertSame(cleanEnd.before(), Context.current());
        elsewhere(() -> work.complete("done"));

        assertEquals(StatusCode.UNSET, spans.only(SpanKind.CONSUMER).getStatus().getStatusCode());
    }

    @Test
    void theExceptionOfTheFutureIsOnTheSpan() throws Exception {
        CompletableFuture<String> held = listen();
        elsewhere(() -> work.completeExceptionally(new CompletionException(new IllegalStateException("poison"))));

        assertThrows(ExecutionException.class, held::get);
        assertEquals(
                "java.lang.IllegalStateException",
                spans.only(SpanKind.CONSUMER).getAttributes().get(ERROR_TYPE));
    }

    @Test
    void whatFollowsTheFutureIsInTheSpan() throws Exception {
        CompletableFuture<String> seen =
                listen().thenApply(result -> Span.current().getSpanContext().getSpanId());
        elsewhere(() -> work.complete("done"));

        assertEquals(spans.only(SpanKind.CONSUMER).getSpanId(), seen.get());
    }

    @Test
    void aFutureThatIsDoneEndsTheSpanWithTheRecord() {
        work.complete("done");
        listen();

        assertEquals(1, spans.ended().size());
    }

    @Test
    void aFutureThatHasFailedAlreadyIsOnTheSpan() {
        work.completeExceptionally(new IllegalStateException("poison"));
        listen();

        assertEquals(StatusCode.ERROR, spans.only(SpanKind.CONSUMER).getStatus().getStatusCode());
    }

    @Test
    void aListenerThatRaisesAfterAllEndsTheSpanWithTheRecord() {
        interceptor.intercept(record, consumer);
        AsyncListener.hold(work);
        interceptor.failure(record, new IllegalStateException("poison"), consumer);
        interceptor.afterRecord(record, consumer);
        List<SpanData> endedWithTheRecord = spans.ended();
        work.complete("too late");

        assertEquals(spans.ended(), endedWithTheRecord);
        assertEquals(StatusCode.ERROR, spans.only(SpanKind.CONSUMER).getStatus().getStatusCode());
    }

    @Test
    void aListenerWhoseServiceReturnsNullEndsItsSpanWithTheRecord() {
        interceptor.intercept(record, consumer);
        CompletableFuture<String> held = AsyncListener.hold(null);
        interceptor.success(record, consumer);
        interceptor.afterRecord(record, consumer);

        assertNull(held);
        assertEquals(1, spans.ended().size());
    }

    @Test
    void recordsThatAreInFlightTogetherHaveTheirOwnSpans() throws Exception {
        CompletableFuture<String> other = new CompletableFuture<>();
        listen();
        ConsumerRecord<String, String> next = Records.record("payments", 1);
        interceptor.intercept(next, consumer);
        AsyncListener.hold(other);
        interceptor.success(next, consumer);
        interceptor.afterRecord(next, consumer);
        elsewhere(() -> other.complete("done"));
        elsewhere(() -> work.complete("done"));

        assertEquals(
                List.of("process payments", "process orders"),
                spans.ended().stream().map(SpanData::getName).toList());
    }

    @Test
    void aFutureThatTheContainersThreadCompletesLeavesTheRecordOfThatThreadAlone() {
        listen();
        ConsumerRecord<String, String> next = Records.record("payments", 1);
        interceptor.intercept(next, consumer);
        Span current = Span.current();
        work.complete("done");
        Span still = Span.current();
        interceptor.success(next, consumer);
        interceptor.afterRecord(next, consumer);

        assertSame(current, still);
        assertEquals(2, spans.ended().size());
    }

    @Test
    void anInterceptorInsideOfOneDoesNotTakeTheFuture() throws Exception {
        var around = new UnbrokenRecordInterceptor<>(unbroken, new CompositeRecordInterceptor<>(interceptor));
        around.intercept(record, consumer);
        AsyncListener.hold(work);
        around.success(record, consumer);
        around.afterRecord(record, consumer);
        assertEquals(1, spans.open());
        elsewhere(() -> work.completeExceptionally(new IllegalStateException("poison")));

        assertEquals(StatusCode.ERROR, spans.only(SpanKind.CONSUMER).getStatus().getStatusCode());
    }

    @Test
    void outsideOfAListenerTheFutureIsTheSame() {
        assertSame(work, AsyncListener.hold(work));
    }

    private CompletableFuture<String> listen() {
        interceptor.intercept(record, consumer);
        CompletableFuture<String> held = AsyncListener.hold(work);
        interceptor.success(record, consumer);
        interceptor.afterRecord(record, consumer);
        return held;
    }

    private static void elsewhere(Runnable task) throws Exception {
        Thread thread = new Thread(task);
        thread.start();
        thread.join();
    }
}
