package dev.unbroken.kafka;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.context.Context;
import java.util.List;
import java.util.Map;

/**
 * What the headers of a record say about where it comes from.
 *
 * @param creation the creation context, or null when they carry none
 * @param others what other {@code traceparent} values name
 * @param baggage the baggage, empty when they carry none
 * @param malformed how often each malformed field is counted
 * @param extra what a propagator other than W3C made of the context that it was given, else null
 */
record Origin(
        SpanContext creation,
        List<SpanContext> others,
        Baggage baggage,
        Map<String, Integer> malformed,
        Context extra) {

    static final Origin NOTHING = new Origin(null, List.of(), Baggage.empty(), Map.of(), null);

    static Origin of(SpanContext creation) {
        return new Origin(creation, List.of(), Baggage.empty(), Map.of(), null);
    }

    /** Returns the context that this stands for, on top of another that has neither span nor baggage. */
    Context on(Context context) {
        Context inside = extra == null ? context : extra;
        if (extra == null && creation != null) {
            inside = inside.with(Span.wrap(creation));
        }
        return extra != null || baggage.isEmpty() ? inside : inside.with(baggage);
    }
}
