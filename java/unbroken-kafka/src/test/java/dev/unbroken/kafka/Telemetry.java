package dev.unbroken.kafka;

import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** An SDK as an application sets it up, whose spans and metrics a test can read. */
final class Telemetry implements AutoCloseable {

    private final InMemorySpanExporter exporter = InMemorySpanExporter.create();
    private final InMemoryMetricReader reader = InMemoryMetricReader.create();
    private final OpenTelemetrySdk sdk;

    private Telemetry(TextMapPropagator propagator) {
        sdk = OpenTelemetrySdk.builder()
                .setTracerProvider(SdkTracerProvider.builder()
                        .addSpanProcessor(SimpleSpanProcessor.create(exporter))
                        .build())
                .setMeterProvider(
                        SdkMeterProvider.builder().registerMetricReader(reader).build())
                .setPropagators(ContextPropagators.create(propagator))
                .build();
    }

    static Telemetry create() {
        return create(TextMapPropagator.composite(
                W3CTraceContextPropagator.getInstance(), W3CBaggagePropagator.getInstance()));
    }

    static Telemetry create(TextMapPropagator propagator) {
        return new Telemetry(propagator);
    }

    OpenTelemetrySdk sdk() {
        return sdk;
    }

    Unbroken unbroken() {
        return Unbroken.create(sdk);
    }

    /** Returns the spans that have ended, in that order. */
    List<SpanData> spans() {
        return exporter.getFinishedSpanItems();
    }

    /** Returns the only span that has ended. */
    SpanData span() {
        List<SpanData> spans = spans();
        if (spans.size() != 1) {
            throw new AssertionError("not one span, but " + spans);
        }
        return spans.get(0);
    }

    /** Returns the only span of a name. */
    SpanData span(String name) {
        List<SpanData> found =
                spans().stream().filter(span -> span.getName().equals(name)).toList();
        if (found.size() != 1) {
            throw new AssertionError("not one span " + name + " among " + spans());
        }
        return found.get(0);
    }

    /** Returns what was measured, by the name of the instrument. */
    Map<String, MetricData> metrics() {
        Map<String, MetricData> metrics = new TreeMap<>();
        reader.collectAllMetrics().forEach(metric -> metrics.put(metric.getName(), metric));
        return metrics;
    }

    @Override
    public void close() {
        sdk.close();
    }
}
