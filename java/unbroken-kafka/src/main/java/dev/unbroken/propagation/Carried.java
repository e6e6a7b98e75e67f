package dev.unbroken.propagation;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.TraceState;
import java.util.List;
import java.util.Map;

/**
 * What the headers of a message hold.
 *
 * @param parent the creation context, or null when nothing is to be continued
 * @param others the other well-formed {@code traceparent} values, in the order in which they stand last
 * @param traceState the state of the parent, empty when there is none
 * @param baggage the baggage, empty when there is none
 * @param malformed how often each malformed field is counted, by its name
 */
public record Carried(
        TraceParent parent,
        List<TraceParent> others,
        TraceState traceState,
        Baggage baggage,
        Map<String, Integer> malformed) {}
