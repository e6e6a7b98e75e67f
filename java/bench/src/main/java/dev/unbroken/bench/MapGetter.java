package dev.unbroken.bench;

import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.Map;

/** Reads the fields of a map. */
enum MapGetter implements TextMapGetter<Map<String, String>> {
    INSTANCE;

    @Override
    public Iterable<String> keys(Map<String, String> carrier) {
        return carrier.keySet();
    }

    @Override
    public String get(Map<String, String> carrier, String key) {
        return carrier.get(key);
    }
}
