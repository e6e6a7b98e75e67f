package dev.unbroken.propagation;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.BaggageBuilder;
import io.opentelemetry.api.baggage.BaggageEntry;
import io.opentelemetry.api.baggage.BaggageEntryMetadata;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.BiConsumer;

/** Baggage of any names; OpenTelemetry's own drops a member whose decoded name is not printable ASCII. */
final class Members implements Baggage {

    private final Map<String, BaggageEntry> entries;

    Members(Map<String, BaggageEntry> entries) {
        this.entries = Collections.unmodifiableMap(entries);
    }

    @Override
    public int size() {
        return entries.size();
    }

    @Override
    public void forEach(BiConsumer<? super String, ? super BaggageEntry> consumer) {
        entries.forEach(consumer);
    }

    @Override
    public Map<String, BaggageEntry> asMap() {
        return entries;
    }

    @Override
    public String getEntryValue(String entryKey) {
        BaggageEntry entry = entries.get(entryKey);
        return entry == null ? null : entry.getValue();
    }

    @Override
    public BaggageBuilder toBuilder() {
        return new Builder(new LinkedHashMap<>(entries));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Members members && entries.equals(members.entries);
    }

    @Override
    public int hashCode() {
        return entries.hashCode();
    }

    @Override
    public String toString() {
        return entries.toString();
    }

    /** One member. */
    record Entry(String value, BaggageEntryMetadata metadata) implements BaggageEntry {

        @Override
        public String getValue() {
            return value;
        }

        @Override
        public BaggageEntryMetadata getMetadata() {
            return metadata;
        }
    }

    private static final class Builder implements BaggageBuilder {

        private final Map<String, BaggageEntry> entries;

        Builder(Map<String, BaggageEntry> entries) {
            this.entries = entries;
        }

        @Override
        public BaggageBuilder put(String key, String value, BaggageEntryMetadata entryMetadata) {
            if (key != null && !key.isBlank() && value != null && entryMetadata != null) {
                entries.put(key, new Entry(value, entryMetadata));
            }
            return this;
        }

        @Override
        public BaggageBuilder put(String key, String value) {
            return put(key, value, BaggageEntryMetadata.empty());
        }

        @Override
        public BaggageBuilder remove(String key) {
            entries.remove(key);
            return this;
        }

        @Override
        public Baggage build() {
            return new Members(new LinkedHashMap<>(entries));
        }
    }
}
