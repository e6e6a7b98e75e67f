package dev.unbroken.kafka;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * With what and how records are traced.
 *
 * @param policy what is traced
 * @param propagation how the context is read and written
 * @param tracer what makes spans, or null when it could not be had
 * @param instruments what measures, or null when nothing does
 */
record Tracing(Policy policy, Propagation propagation, Tracer tracer, Instruments instruments) {

    /** The instrumentation scope of the tracer and the meter. */
    static final String SCOPE = "unbroken";

    static final String VERSION = version();

    static Tracing of(OpenTelemetry openTelemetry, Policy policy) {
        return new Tracing(
                policy, propagationOf(openTelemetry), tracerOf(openTelemetry), Instruments.of(openTelemetry));
    }

    /**
     * Returns a started span, null where none is wanted or none can be had.
     *
     * @param operation the first part of its name
     * @param topic the second part, or null
     * @param described puts attributes and links, which the sampler then sees
     */
    Span start(String operation, String topic, SpanKind kind, Context parent, Consumer<SpanBuilder> described) {
        if (tracer == null || !policy.spans()) {
            return null;
        }
        try {
            String name = topic == null ? operation : operation + ' ' + topic;
            SpanBuilder builder = tracer.spanBuilder(name).setSpanKind(kind).setParent(parent);
            described.accept(builder);
            Span span = builder.startSpan();
            return span.getSpanContext().isValid() ? span : null;
        } catch (Throwable failure) {
            Failures.survived("the start of a span", failure);
            return null;
        }
    }

    /** Ends a span that records, with an error unless it is null. Never raises. */
    static void end(Span span, Throwable error) {
        try {
            if (span.isRecording()) {
                try {
                    markFailed(span, error);
                } finally {
                    span.end();
                }
            }
        } catch (Throwable failure) {
            Failures.survived("the end of a span", failure);
        }
    }

    /** Returns what of a context stays around a record: all but the span and the baggage. */
    static Context around(Context ambient) {
        Context around = withoutSpan(ambient);
        return Baggage.fromContextOrNull(around) == null ? around : around.with(Baggage.empty());
    }

    static Context withoutSpan(Context context) {
        return Span.fromContextOrNull(context) == null ? context : context.with(Span.getInvalid());
    }

    static boolean isSame(SpanContext one, SpanContext other) {
        return one.getSpanId().equals(other.getSpanId()) && one.getTraceId().equals(other.getTraceId());
    }

    private static void markFailed(Span span, Throwable error) {
        if (error == null) {
            return;
        }
        try {
            span.setAttribute(Semconv.ERROR_TYPE, Semconv.errorType(error));
            String text = Semconv.errorText(error, error.getClass().getSimpleName());
            span.setStatus(StatusCode.ERROR, Semconv.exportable(text));
            span.recordException(error);
        } catch (Throwable failure) { // an exception whose text cannot be had
            Failures.survived("the record of an exception", failure);
        }
    }

    private static Tracer tracerOf(OpenTelemetry openTelemetry) {
        try {
            return openTelemetry
                    .getTracerProvider()
                    .tracerBuilder(SCOPE)
                    .setInstrumentationVersion(VERSION)
                    .setSchemaUrl(Semconv.SCHEMA_URL)
                    .build();
        } catch (Throwable failure) {
            Failures.survived("the making of a tracer", failure);
            return null;
        }
    }

    private static Propagation propagationOf(OpenTelemetry openTelemetry) {
        try {
            String configured = Propagators.configured();
            return new Propagation(Propagators.of(
                    openTelemetry.getPropagators().getTextMapPropagator(),
                    configured == null ? null : configured.trim().toLowerCase(Locale.ROOT)));
        } catch (Throwable failure) {
            Failures.survived("the choice of a propagator", failure);
            return new Propagation(Propagators.W3C);
        }
    }

    private static String version() {
        String version = Tracing.class.getPackage().getImplementationVersion();
        return version == null ? "unknown" : version; // classes that come from no jar
    }
}
