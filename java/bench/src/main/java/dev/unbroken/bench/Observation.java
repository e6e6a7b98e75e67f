package dev.unbroken.bench;

import io.micrometer.observation.ObservationHandler.FirstMatchingCompositeObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.tracing.handler.DefaultTracingObservationHandler;
import io.micrometer.tracing.handler.PropagatingReceiverTracingObservationHandler;
import io.micrometer.tracing.handler.PropagatingSenderTracingObservationHandler;
import io.micrometer.tracing.otel.bridge.OtelCurrentTraceContext;
import io.micrometer.tracing.otel.bridge.OtelPropagator;
import io.micrometer.tracing.otel.bridge.OtelTracer;
import io.opentelemetry.api.trace.Tracer;

/** Spring's observation, wired to OpenTelemetry as Spring Boot does it; spans only, no meters. */
final class Observation {

    private Observation() {}

    static ObservationRegistry registry(Tracing tracing) {
        Tracer tracer = tracing.sdk.getTracer("org.springframework.boot");
        OtelTracer bridge = new OtelTracer(tracer, new OtelCurrentTraceContext(), event -> {});
        OtelPropagator propagator = new OtelPropagator(tracing.sdk.getPropagators(), tracer);
        ObservationRegistry registry = ObservationRegistry.create();
        registry.observationConfig()
                .observationHandler(new FirstMatchingCompositeObservationHandler(
                        new PropagatingReceiverTracingObservationHandler<>(bridge, propagator),
                        new PropagatingSenderTracingObservationHandler<>(bridge, propagator),
                        new DefaultTracingObservationHandler(bridge)));
        return registry;
    }
}
