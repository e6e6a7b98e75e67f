package dev.unbroken.bench;

import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import java.util.Map;

/** The SDK of every contender: the default sampler, the W3C propagators, and a processor that only counts. */
final class Tracing implements SpanProcessor {

    static final TextMapPropagator W3C =
            TextMapPropagator.composite(W3CTraceContextPropagator.getInstance(), W3CBaggagePropagator.getInstance());

    final OpenTelemetrySdk sdk = OpenTelemetrySdk.builder()
            .setTracerProvider(
                    SdkTracerProvider.builder().addSpanProcessor(this).build())
            .setPropagators(ContextPropagators.create(W3C))
            .build();

    private volatile long ended;

    /** Returns an SDK that makes spans and measures, with a propagator. */
    static OpenTelemetrySdk measuring(TextMapPropagator propagator) {
        return OpenTelemetrySdk.builder()
                .setTracerProvider(SdkTracerProvider.builder().build())
                .setMeterProvider(SdkMeterProvider.builder()
                        .registerMetricReader(InMemoryMetricReader.create())
                        .build())
                .setPropagators(ContextPropagators.create(propagator))
                .build();
    }

    /** Returns how many recorded spans have ended. */
    long ended() {
        return ended;
    }

    /** Returns the context of a service that was called with these headers: a span of its own, sampled as they say. */
    Context inside(Map<String, String> headers) {
        Context caller = W3C.extract(Context.root(), headers, MapGetter.INSTANCE);
        Span span = sdk.getTracer("application")
                .spanBuilder("application")
                .setParent(caller)
                .startSpan();
        return caller.with(span);
    }

    /**
     * Fails when an operation did not end as many spans as it must, so that nobody is measured who does less.
     *
     * @param operation what is measured, once
     * @param spans how many recorded spans it has to end
     */
    void requireSpans(Runnable operation, int spans) {
        long before = ended;
        operation.run();
        if (ended - before != spans) {
            throw new IllegalStateException((ended - before) + " spans ended instead of " + spans);
        }
    }

    @Override
    public void onStart(Context parent, ReadWriteSpan span) {
        // Nobody asks for it.
    }

    @Override
    public boolean isStartRequired() {
        return false;
    }

    @Override
    @SuppressWarnings("NonAtomicOperationOnVolatileField") // one thread works at a time
    public void onEnd(ReadableSpan span) {
        ended++;
    }

    @Override
    public boolean isEndRequired() {
        return true;
    }
}
