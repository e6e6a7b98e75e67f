package dev.unbroken.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.opentelemetry.context.propagation.TextMapSetter;
import org.apache.kafka.common.header.Headers;

/** Replaces the value of a name, as the setter of the OpenTelemetry instrumentation does. */
enum HeadersSetter implements TextMapSetter<Headers> {
    INSTANCE;

    @Override
    public void set(Headers carrier, String key, String value) {
        carrier.remove(key).add(key, value.getBytes(UTF_8));
    }
}
