package dev.unbroken.propagation;

import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.TraceStateBuilder;
import java.util.Collections;
import java.util.Map;
import java.util.function.BiConsumer;

/** A {@code tracestate} that keeps what level 2 allows; OpenTelemetry's own knows the grammar of level 1 only. */
final class ListMembers implements TraceState {

    private final Map<String, String> members;

    ListMembers(Map<String, String> members) {
        this.members = Collections.unmodifiableMap(members);
    }

    @Override
    public String get(String key) {
        return members.get(key);
    }

    @Override
    public int size() {
        return members.size();
    }

    @Override
    public boolean isEmpty() {
        return members.isEmpty();
    }

    @Override
    public void forEach(BiConsumer<String, String> consumer) {
        members.forEach(consumer);
    }

    @Override
    public Map<String, String> asMap() {
        return members;
    }

    /** Returns OpenTelemetry's builder with these members: what level 1 does not allow is lost in it. */
    @Override
    public TraceStateBuilder toBuilder() {
        String[] keys = members.keySet().toArray(String[]::new);
        TraceStateBuilder builder = TraceState.builder();
        for (int position = keys.length - 1; position >= 0; position--) { // the builder puts the newest first
            builder.put(keys[position], members.get(keys[position]));
        }
        return builder;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof TraceState state && members.equals(state.asMap());
    }

    @Override
    public int hashCode() {
        return members.hashCode();
    }

    @Override
    public String toString() {
        return members.toString();
    }
}
