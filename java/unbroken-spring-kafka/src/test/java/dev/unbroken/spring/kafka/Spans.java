package dev.unbroken.spring.kafka;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** Keeps the spans that have ended, counts those that have not, and lets a test wait for what it expects. */
final class Spans implements SpanProcessor {

    private static final long PATIENCE = 120_000;

    private final List<SpanData> ended = new ArrayList<>();
    private final OpenTelemetrySdk sdk = OpenTelemetrySdk.builder()
            .setTracerProvider(
                    SdkTracerProvider.builder().addSpanProcessor(this).build())
            .setPropagators(ContextPropagators.create(TextMapPropagator.composite(
                    W3CTraceContextPropagator.getInstance(), W3CBaggagePropagator.getInstance())))
            .build();
    private int open;

    OpenTelemetry openTelemetry() {
        return sdk;
    }

    /** Returns a started span of the application. */
    Span start(String name) {
        return sdk.getTracer("test").spanBuilder(name).startSpan();
    }

    synchronized List<SpanData> ended() {
        return List.copyOf(ended);
    }

    /** Returns how many spans have been started and not ended. */
    synchronized int open() {
        return open;
    }

    /** Returns the ended spans that are wanted, as soon as there are so many. */
    synchronized List<SpanData> await(int count, Predicate<SpanData> wanted) {
        long until = System.currentTimeMillis() + PATIENCE;
        while (true) {
            List<SpanData> found = ended.stream().filter(wanted).toList();
            long left = until - System.currentTimeMillis();
            if (found.size() >= count) {
                return found;
            }
            if (left <= 0) {
                throw new AssertionError(found.size() + " of " + count + " spans: " + ended);
            }
            await(left);
        }
    }

    List<SpanData> awaitNamed(int count, String name) {
        return await(count, span -> span.getName().equals(name));
    }

    /** Returns once no span is open any more. */
    synchronized void awaitAllEnded() {
        long until = System.currentTimeMillis() + PATIENCE;
        while (open > 0) {
            long left = until - System.currentTimeMillis();
            if (left <= 0) {
                throw new AssertionError(open + " spans have not ended");
            }
            await(left);
        }
    }

    /** Returns the only span of a kind. */
    SpanData only(SpanKind kind) {
        List<SpanData> found =
                ended().stream().filter(span -> span.getKind() == kind).toList();
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " spans of kind " + kind + ": " + ended());
        }
        return found.get(0);
    }

    @Override
    public synchronized void onStart(Context parent, ReadWriteSpan span) {
        open++;
    }

    @Override
    public boolean isStartRequired() {
        return true;
    }

    @Override
    public synchronized void onEnd(ReadableSpan span) {
        open--;
        ended.add(span.toSpanData());
        notifyAll();
    }

    @Override
    public boolean isEndRequired() {
        return true;
    }

    private void await(long millis) {
        try {
            wait(millis);
        } catch (InterruptedException interrupt) {
            throw new AssertionError(interrupt);
        }
    }
}
