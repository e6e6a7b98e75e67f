package dev.unbroken.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.stream.StreamSupport;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Reads the last value of a name, as the getter of the OpenTelemetry instrumentation does. */
enum HeadersGetter implements TextMapGetter<Headers> {
    INSTANCE;

    @Override
    public Iterable<String> keys(Headers carrier) {
        return StreamSupport.stream(carrier.spliterator(), false)
                .map(Header::key)
                .toList();
    }

    @Override
    public String get(Headers carrier, String key) {
        Header header = carrier.lastHeader(key);
        return header == null || header.value() == null ? null : new String(header.value(), UTF_8);
    }
}
