package dev.unbroken.propagation;

import io.opentelemetry.api.trace.TraceState;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Reads the headers of one message: {@link #header} for each in its order, then {@link #carried}. Never raises,
 * whatever the headers are. Not thread-safe.
 */
public final class CarrierReader {

    /** Other {@code traceparent} values that are kept, the newest: as many links as the SDK keeps of a span. */
    public static final int MAX_OTHERS = 128;

    private static final String TRACEPARENT = "traceparent";
    private static final String TRACESTATE = "tracestate";
    private static final String BAGGAGE = "baggage";

    private final List<byte[]> parents = new ArrayList<>(2);
    private final List<byte[]> states = new ArrayList<>(2);
    private final List<byte[]> baggage = new ArrayList<>(2);
    private final List<byte[]> eventParents = new ArrayList<>(0);
    private final List<byte[]> eventStates = new ArrayList<>(0);
    private final List<String> malformed = new ArrayList<>(0);

    /** Makes a reader for one message. */
    public CarrierReader() {}

    /**
     * Takes a header; one that is no propagation field does not count.
     *
     * @param name its name in any case, or null
     * @param value its octets, or null, which is read as empty
     */
    public void header(String name, byte[] value) {
        List<byte[]> field = name == null ? null : fieldOf(name);
        if (field != null) {
            field.add(value);
        }
    }

    /**
     * Returns what the headers hold.
     *
     * @param duplicates what several different {@code traceparent} values mean
     * @return never null
     */
    public Carried carried(Duplicates duplicates) {
        List<TraceParent> found = distinct(parents);
        List<byte[]> state = states;
        if (found.isEmpty() && !eventParents.isEmpty()) {
            found = distinct(eventParents);
            state = eventStates;
        }
        TraceParent parent = null;
        List<TraceParent> others = List.of();
        int last = found.size() - 1;
        if (last == 0 || (last > 0 && duplicates == Duplicates.LAST)) {
            parent = found.get(last);
            others = List.copyOf(found.subList(Math.max(0, last - MAX_OTHERS), last));
        } else if (last > 0) {
            malformed.add(TRACEPARENT);
        }
        TraceState traceState = parent == null ? TraceState.getDefault() : stateOf(state);
        BaggageHeader header = BaggageHeader.parse(baggage);
        malformed.addAll(Collections.nCopies(header.malformed(), BAGGAGE));
        return new Carried(parent, others, traceState, header.baggage(), List.copyOf(malformed));
    }

    private List<byte[]> fieldOf(String name) {
        return switch (name.length()) {
            case 7 -> isNamed(name, BAGGAGE) ? baggage : null;
            case 10 -> isNamed(name, TRACESTATE) ? states : null;
            case 11 -> isNamed(name, TRACEPARENT) ? parents : null;
            case 13 -> isNamed(name, "ce_tracestate") ? eventStates : null;
            case 14 -> isNamed(name, "ce_traceparent") ? eventParents : null;
            default -> null;
        };
    }

    private static boolean isNamed(String name, String field) {
        return name.toLowerCase(Locale.ROOT).equals(field);
    }

    /** Returns the different well-formed parents, each at the place where it stands last. */
    private List<TraceParent> distinct(List<byte[]> values) {
        Set<TraceParent> found = new LinkedHashSet<>();
        for (byte[] value : values) {
            TraceParent parent = TraceParent.parse(value);
            if (parent == null) {
                malformed.add(TRACEPARENT);
            } else {
                found.remove(parent);
                found.add(parent);
            }
        }
        return new ArrayList<>(found);
    }

    private TraceState stateOf(List<byte[]> values) {
        TraceState state = TraceStateHeader.parse(values);
        if (state == null) {
            malformed.add(TRACESTATE);
            return TraceState.getDefault();
        }
        return state;
    }
}
