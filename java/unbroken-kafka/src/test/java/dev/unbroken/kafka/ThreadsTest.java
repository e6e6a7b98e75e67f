package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;

class ThreadsTest {

    private static final int RECORDS = 200;

    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();

    @AfterEach
    void end() {
        telemetry.close();
    }

    @Test
    void recordsOnManyThreadsKeepTheirTraces() throws Exception {
        keepTheirTraces(Executors.newFixedThreadPool(8));
    }

    @Test
    @EnabledForJreRange(min = JRE.JAVA_21)
    void recordsOnVirtualThreadsKeepTheirTraces() throws Exception {
        keepTheirTraces((ExecutorService)
                Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null));
    }

    @Test
    void aWrappedExecutorTakesTheContextAlong() throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            ConsumerRecord<String, String> record = Records.record("traceparent", Records.TRACEPARENT);
            Callable<String> ask = () -> Span.current().getSpanContext().getTraceId();
            String inside = unbroken.call(
                    record, given -> Context.taskWrapping(executor).submit(ask).get());
            assertEquals(Records.TRACE, inside);
            assertSame(Context.root(), executor.submit(Context::current).get());
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void aFutureTakesTheContextOfTheScopeAlong() throws Exception {
        ProcessScope scope = unbroken.open(Records.record("traceparent", Records.TRACEPARENT));
        CompletableFuture<String> done = CompletableFuture.supplyAsync(scope.context()
                .wrapSupplier(() -> Span.current().getSpanContext().getTraceId()));
        scope.close();
        assertEquals(Records.TRACE, done.get());
    }

    @Test
    void theRecordOfAnEndedBlockIsNotProcessedTwiceInAThreadOfIt() throws Exception {
        ConsumerRecord<String, String> record = Records.record("traceparent", Records.TRACEPARENT);
        ProcessScope scope = unbroken.open(record);
        Runnable later = scope.context().wrap(() -> unbroken.process(record, given -> {}));
        scope.close();
        CompletableFuture.runAsync(later).get();
        assertEquals(1, telemetry.spans().size());
    }

    /** All handlers run at once, two by two, each on its own thread. */
    private void keepTheirTraces(ExecutorService executor) throws Exception {
        CyclicBarrier pair = new CyclicBarrier(2);
        List<Future<?>> futures = new ArrayList<>();
        try {
            for (int number = 0; number < RECORDS; number++) {
                String trace = String.format("%032x", number + 1);
                ConsumerRecord<String, String> record =
                        Records.record("orders", number, "traceparent", "00-" + trace + "-" + Records.SPAN + "-01");
                futures.add(executor.submit(() -> {
                    unbroken.process(record, given -> {
                        pair.await();
                        assertEquals(trace, Span.current().getSpanContext().getTraceId());
                    });
                    assertSame(Context.root(), Context.current());
                    return null;
                }));
            }
            for (Future<?> future : futures) {
                future.get();
            }
        } finally {
            executor.shutdownNow();
        }
        List<SpanData> spans = telemetry.spans();
        assertEquals(RECORDS, spans.size());
        assertTrue(spans.stream()
                .allMatch(span -> Long.parseLong(span.getTraceId(), 16)
                        == span.getAttributes().get(Semconv.OFFSET) + 1));
    }
}
