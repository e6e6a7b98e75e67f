package dev.unbroken.kafka;

import dev.unbroken.propagation.BaggageHeader;
import dev.unbroken.propagation.Carried;
import dev.unbroken.propagation.CarrierReader;
import dev.unbroken.propagation.Duplicates;
import dev.unbroken.propagation.TraceParent;
import dev.unbroken.propagation.TraceStateHeader;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.header.Header;

/**
 * The context on the wire. With the W3C propagators of OpenTelemetry, or with none, the grammar is ours; any other is
 * used as it is.
 */
final class Propagation {

    private static final TraceFlags[] FLAGS = {
        TraceFlags.fromByte((byte) 0),
        TraceFlags.fromByte((byte) TraceParent.SAMPLED),
        TraceFlags.fromByte((byte) TraceParent.RANDOM),
        TraceFlags.fromByte((byte) (TraceParent.SAMPLED | TraceParent.RANDOM)),
    };
    private static final String TRACEPARENT = "traceparent";
    private static final String TRACESTATE = "tracestate";
    private static final String BAGGAGE = "baggage";

    private final Propagators propagators;

    Propagation(Propagators propagators) {
        this.propagators = propagators;
    }

    /** Returns what headers carry, by the shortest way; never raises, whatever they are. */
    Origin origin(Iterable<Header> headers, Duplicates duplicates, Context around) {
        try {
            Origin common = propagators.isWhole() ? common(headers) : null;
            return common != null ? common : read(headers, duplicates, around);
        } catch (Throwable failure) {
            Failures.survived("the reading of headers", failure);
            return Origin.NOTHING;
        }
    }

    /**
     * Returns what the common header set carries, null of any other. Common: one {@code traceparent} in lower case,
     * well-formed and of version 00, at most one {@code tracestate} and one {@code baggage}, both well-formed, no other
     * propagation field.
     */
    static Origin common(Iterable<Header> headers) {
        Header parent = null;
        Header state = null;
        Header members = null;
        for (Header header : headers) {
            String name = header.key();
            if (!mayBeField(name)) {
                continue;
            }
            if (parent == null && name.equals(TRACEPARENT)) {
                parent = header;
            } else if (state == null && name.equals(TRACESTATE)) {
                state = header;
            } else if (members == null && name.equals(BAGGAGE)) {
                members = header;
            } else if (CarrierReader.isField(name)) {
                return null;
            }
        }
        if (parent == null) {
            return state == null && members == null ? Origin.NOTHING : null;
        }
        TraceParent found = TraceParent.parseUnchecked(parent.value());
        if (found == null) {
            return null;
        }
        if (state == null && members == null) {
            SpanContext creation = spanContext(found, TraceState.getDefault());
            return creation.isValid() ? Origin.of(creation) : null;
        }
        TraceState traceState = state == null
                ? TraceState.getDefault()
                : TraceStateHeader.parse(Collections.singletonList(state.value()));
        BaggageHeader baggage =
                BaggageHeader.parse(members == null ? List.of() : Collections.singletonList(members.value()));
        if (traceState == null || baggage.malformed() > 0) {
            return null;
        }
        SpanContext creation = spanContext(found, traceState);
        return creation.isValid() ? new Origin(creation, List.of(), baggage.baggage(), Map.of(), null) : null;
    }

    /** Returns what headers carry, by the full reader. */
    Origin read(Iterable<Header> headers, Duplicates duplicates, Context around) {
        if (propagators.foreign() != null) {
            return propagators.extract(headers, duplicates, around);
        }
        CarrierReader reader = new CarrierReader();
        for (Header header : headers) {
            if (header != null && mayBeField(header.key())) {
                reader.header(header.key(), header.value());
            }
        }
        Carried carried = reader.carried(duplicates);
        SpanContext creation = null;
        List<SpanContext> others = List.of();
        if (propagators.trace() && carried.parent() != null) {
            creation = spanContext(carried.parent(), carried.traceState());
            others = carried.others().stream()
                    .map(other -> spanContext(other, TraceState.getDefault()))
                    .toList();
        }
        Baggage baggage = propagators.baggage() ? carried.baggage() : Baggage.empty();
        return new Origin(creation, others, baggage, carried.malformed(), null);
    }

    /**
     * Returns the fields that carry a context.
     *
     * @param span carried instead of the span of the context, unless it is null
     */
    Fields fields(Context context, Span span) {
        Fields fields = new Fields();
        if (propagators.foreign() != null) {
            propagators.inject(span == null ? context : context.with(span), fields);
            return fields;
        }
        Span carried = span == null ? Span.fromContextOrNull(context) : span;
        if (propagators.trace() && carried != null && carried.getSpanContext().isValid()) {
            put(carried.getSpanContext(), fields);
        }
        Baggage baggage = propagators.baggage() ? Baggage.fromContextOrNull(context) : null;
        if (baggage != null && !baggage.isEmpty()) {
            byte[] header = BaggageHeader.octets(baggage);
            if (header.length > 0) {
                fields.put(BAGGAGE, header);
            }
        }
        return fields;
    }

    /** Takes care that no stale propagation field goes on; what no propagator in use writes is left as it was. */
    void replaceStale(Fields fields) {
        if (propagators.trace() || propagators.foreign() != null) {
            fields.replace(TRACEPARENT);
            fields.replace(TRACESTATE);
        }
        if (propagators.baggage() || propagators.foreign() != null) {
            fields.replace(BAGGAGE);
        }
    }

    static SpanContext spanContext(TraceParent parent, TraceState state) {
        return SpanContext.createFromRemoteParent(parent.traceId(), parent.parentId(), FLAGS[parent.flags()], state);
    }

    private static void put(SpanContext span, Fields fields) {
        fields.replaceW3c();
        fields.put(
                TRACEPARENT,
                TraceParent.format(
                        span.getTraceId(),
                        span.getSpanId(),
                        span.getTraceFlags().asByte()));
        if (!span.getTraceState().isEmpty()) {
            fields.put(TRACESTATE, TraceStateHeader.octets(span.getTraceState()));
        }
    }

    /** One letter of every other header is enough to see that it is no propagation field. */
    private static boolean mayBeField(String name) {
        if (name == null || name.isEmpty()) {
            return false;
        }
        int initial = name.charAt(0) | 0x20;
        return initial == 't' || initial == 'b' || initial == 'c';
    }
}
