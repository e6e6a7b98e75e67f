package dev.unbroken.propagation;

import io.opentelemetry.api.trace.TraceState;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads the headers of one message: {@link #header} for each in its order, then {@link #carried}. Never raises,
 * whatever the headers are. Not thread-safe.
 */
public final class CarrierReader {

    /** Values of {@code traceparent} that are looked at, the newest: as many links as the SDK keeps of a span. */
    private static final int MAX_PARENTS = 128;

    /** Headers of {@code tracestate} and of {@code baggage} that are looked at, the first. */
    private static final int MAX_LISTS = 64;

    private static final byte[] EMPTY = new byte[0];

    private static final String TRACEPARENT = "traceparent";
    private static final String TRACESTATE = "tracestate";
    private static final String BAGGAGE = "baggage";
    private static final String EVENT_TRACEPARENT = "ce_traceparent";
    private static final String EVENT_TRACESTATE = "ce_tracestate";

    private final Deque<byte[]> parents = new ArrayDeque<>(2);
    private final List<byte[]> states = new ArrayList<>(2);
    private final List<byte[]> baggage = new ArrayList<>(2);
    private final Deque<byte[]> eventParents = new ArrayDeque<>(2);
    private final List<byte[]> eventStates = new ArrayList<>(0);
    private final Map<String, Integer> malformed = new LinkedHashMap<>();

    /** Makes a reader for one message. */
    public CarrierReader() {}

    /**
     * Returns whether a header is one that this reads.
     *
     * @param name its name in any case
     * @return whether it is that of a propagation field
     */
    public static boolean isField(String name) {
        return switch (name.length()) {
            case 7 -> isNamed(name, BAGGAGE);
            case 10 -> isNamed(name, TRACESTATE);
            case 11 -> isNamed(name, TRACEPARENT);
            case 13 -> isNamed(name, EVENT_TRACESTATE);
            case 14 -> isNamed(name, EVENT_TRACEPARENT);
            default -> false;
        };
    }

    /**
     * Takes a header; one that is no propagation field does not count.
     *
     * @param name its name in any case, or null
     * @param value its octets, or null, which is read as empty
     */
    public void header(String name, byte[] value) {
        if (name == null) {
            return;
        }
        switch (name.length()) {
            case 7 -> first(name, BAGGAGE, value, baggage);
            case 10 -> first(name, TRACESTATE, value, states);
            case 11 -> newest(name, TRACEPARENT, value, parents);
            case 13 -> first(name, EVENT_TRACESTATE, value, eventStates);
            case 14 -> newest(name, EVENT_TRACEPARENT, value, eventParents);
            default -> {}
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
            others = List.copyOf(found.subList(0, last));
        } else if (last > 0) {
            count(TRACEPARENT, 1);
        }
        TraceState traceState = parent == null ? TraceState.getDefault() : stateOf(state);
        BaggageHeader header = BaggageHeader.parse(baggage);
        count(BAGGAGE, header.malformed());
        return new Carried(parent, others, traceState, header.baggage(), Map.copyOf(malformed));
    }

    /** Takes a value of a list; one more than is looked at, which shows that something was left out. */
    private static void first(String name, String field, byte[] value, List<byte[]> values) {
        if (values.size() <= MAX_LISTS && isNamed(name, field)) {
            values.add(value);
        }
    }

    private static void newest(String name, String field, byte[] value, Deque<byte[]> values) {
        if (isNamed(name, field)) {
            if (values.size() == MAX_PARENTS) {
                values.removeFirst();
            }
            values.addLast(value == null ? EMPTY : value);
        }
    }

    private void count(String field, int times) {
        if (times > 0) {
            malformed.merge(field, times, Integer::sum);
        }
    }

    /** Returns whether a name is that of a field but for the case of its letters; only those of ASCII have one here. */
    private static boolean isNamed(String name, String field) {
        for (int position = 0; position < field.length(); position++) {
            char letter = name.charAt(position);
            char wanted = field.charAt(position);
            if (letter != wanted && (letter < 'A' || letter > 'Z' || letter + 'a' - 'A' != wanted)) {
                return false;
            }
        }
        return true;
    }

    /** Returns the different well-formed parents, each at the place where it stands last. */
    private List<TraceParent> distinct(Deque<byte[]> values) {
        Set<TraceParent> found = new LinkedHashSet<>();
        for (byte[] value : values) {
            TraceParent parent = TraceParent.parse(value);
            if (parent == null) {
                count(TRACEPARENT, 1);
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
            count(TRACESTATE, 1);
            return TraceState.getDefault();
        }
        return state;
    }
}
