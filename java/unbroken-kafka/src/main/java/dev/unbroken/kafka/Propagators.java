package dev.unbroken.kafka;

import dev.unbroken.propagation.Duplicates;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.common.header.Header;

/**
 * What the propagator of an OpenTelemetry amounts to.
 *
 * @param trace whether {@code traceparent} and {@code tracestate} are carried, by our grammar
 * @param baggage whether {@code baggage} is carried, by our grammar
 * @param foreign a propagator of another kind, or null
 */
record Propagators(boolean trace, boolean baggage, TextMapPropagator foreign) {

    static final Propagators W3C = new Propagators(true, true, null);

    // Classes that OpenTelemetry keeps to itself: what composite() makes, and what the Java agent shows of its own.
    private static final String COMPOSITE = "MultiTextMapPropagator";
    private static final String OF_AGENT = "ApplicationTextMapPropagator";

    private static final Set<String> W3C_FIELDS = Set.of("traceparent", "tracestate", "baggage");

    /**
     * Returns what a propagator amounts to. Without a propagator the context travels as W3C, as it does without an SDK
     * in other languages; unless the application asked for none.
     */
    static Propagators of(TextMapPropagator propagator, String configured) {
        if (propagator == TextMapPropagator.noop()) {
            return "none".equals(configured) ? new Propagators(false, false, null) : W3C;
        }
        String kind = propagator.getClass().getSimpleName();
        boolean isOfOthers = kind.equals(COMPOSITE) || kind.equals(OF_AGENT);
        boolean isTrace = propagator instanceof W3CTraceContextPropagator;
        boolean isBaggage = propagator instanceof W3CBaggagePropagator;
        if (isTrace || isBaggage || (isOfOthers && W3C_FIELDS.containsAll(propagator.fields()))) {
            boolean trace = propagator.fields().contains("traceparent");
            return new Propagators(trace, propagator.fields().contains("baggage"), null);
        }
        return new Propagators(false, false, propagator);
    }

    /**
     * Returns what the application has configured for the SDK, as its auto-configuration reads it; null for nothing.
     */
    static String configured() {
        String property = System.getProperty("otel.propagators");
        return property != null ? property : System.getenv("OTEL_PROPAGATORS");
    }

    boolean isWhole() {
        return trace && baggage;
    }

    /** Returns what the foreign propagator makes of headers, on top of a context without span and baggage. */
    Origin extract(Iterable<Header> headers, Duplicates duplicates, Context around) {
        try {
            Context extracted = foreign.extract(around, new HeaderTexts(headers, duplicates), HeaderTexts.GETTER);
            SpanContext span = Span.fromContext(extracted).getSpanContext();
            Baggage baggage = Baggage.fromContext(extracted);
            return new Origin(span.isValid() ? span : null, List.of(), baggage, Map.of(), extracted);
        } catch (Throwable failure) {
            Failures.survived("a propagator", failure);
            return new Origin(null, List.of(), Baggage.empty(), Map.of("foreign", 1), null);
        }
    }

    /** Puts what the foreign propagator writes; nothing when it raised. */
    void inject(Context context, Fields fields) {
        Map<String, String> written = new LinkedHashMap<>();
        try {
            foreign.inject(context, written, (carrier, key, value) -> carrier.put(key, value));
            written.forEach((name, value) -> fields.put(name, value.getBytes(StandardCharsets.UTF_8)));
            if (!written.isEmpty()) {
                foreign.fields().forEach(fields::replace);
            }
        } catch (Throwable failure) {
            Failures.survived("a propagator", failure);
        }
    }
}
