package dev.unbroken.interop;

import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.time.Duration;

/** The SDK of these programs. */
public final class Telemetry {

    private Telemetry() {}

    /**
     * Returns an SDK that sends the spans of a service to each of these addresses.
     *
     * @param service what the service is called
     * @param urls base URLs of OTLP over HTTP, separated by commas; empty for none
     * @return the SDK, which sends the last spans when it is closed
     */
    public static OpenTelemetrySdk spansTo(String service, String urls) {
        var tracers = SdkTracerProvider.builder().setResource(resource(service));
        for (String url : urls.isEmpty() ? new String[0] : urls.split(",")) {
            var exporter = OtlpHttpSpanExporter.builder()
                    .setEndpoint(url + "/v1/traces")
                    .build();
            tracers.addSpanProcessor(BatchSpanProcessor.builder(exporter)
                    .setScheduleDelay(Duration.ofMillis(200))
                    .build());
        }
        return OpenTelemetrySdk.builder()
                .setTracerProvider(tracers.build())
                .setPropagators(propagators())
                .build();
    }

    /**
     * Returns an SDK that sends the spans and metrics of a service to one address.
     *
     * @param service what the service is called
     * @param url the base URL of OTLP over HTTP; empty for none
     * @return the SDK, which sends its metrics when it is closed
     */
    public static OpenTelemetrySdk allTo(String service, String url) {
        var tracers = SdkTracerProvider.builder().setResource(resource(service));
        var meters = SdkMeterProvider.builder().setResource(resource(service));
        if (!url.isEmpty()) {
            var spans = OtlpHttpSpanExporter.builder()
                    .setEndpoint(url + "/v1/traces")
                    .build();
            var metrics = OtlpHttpMetricExporter.builder()
                    .setEndpoint(url + "/v1/metrics")
                    .build();
            tracers.addSpanProcessor(BatchSpanProcessor.builder(spans).build());
            meters.registerMetricReader(PeriodicMetricReader.builder(metrics)
                    .setInterval(Duration.ofMinutes(10))
                    .build());
        }
        return OpenTelemetrySdk.builder()
                .setTracerProvider(tracers.build())
                .setMeterProvider(meters.build())
                .setPropagators(propagators())
                .build();
    }

    private static Resource resource(String service) {
        return Resource.getDefault()
                .merge(Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), service)));
    }

    private static ContextPropagators propagators() {
        return ContextPropagators.create(TextMapPropagator.composite(
                W3CTraceContextPropagator.getInstance(), W3CBaggagePropagator.getInstance()));
    }
}
