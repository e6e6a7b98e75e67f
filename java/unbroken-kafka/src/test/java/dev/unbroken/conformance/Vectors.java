package dev.unbroken.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.TraceStateBuilder;
import io.opentelemetry.context.Context;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.provider.Arguments;

/** The vectors that every language runs, as values of Java. */
final class Vectors {

    static final ObjectMapper JSON = new ObjectMapper();

    private static final Path FOLDER = Path.of("..", "..", "conformance");

    private Vectors() {}

    static Stream<Arguments> of(String file) throws IOException {
        JsonNode vectors =
                JSON.readTree(FOLDER.resolve(file + ".json").toFile()).get("vectors");
        return StreamSupport.stream(vectors.spliterator(), false)
                .map(vector -> Arguments.of(Named.of(vector.get("id").asText(), vector)));
    }

    /** Returns the text of a member, null for null. */
    static String text(JsonNode node, String name) {
        return node.path(name).asText(null);
    }

    static byte[] octets(JsonNode node) {
        return node == null || node.isNull() ? null : Base64.getDecoder().decode(node.asText());
    }

    /** Returns the headers of a vector, null where it has none. */
    static Headers headers(JsonNode vector) {
        if (vector.get("headers").isNull()) {
            return null;
        }
        Headers headers = new RecordHeaders();
        vector.get("headers").forEach(pair -> headers.add(pair.get(0).asText(), octets(pair.get(1))));
        return headers;
    }

    /** Returns headers as lines that can be compared, and read. */
    static List<String> lines(Iterable<Header> headers) {
        List<String> lines = new ArrayList<>();
        if (headers != null) {
            for (Header header : headers) {
                byte[] value = header.value();
                lines.add(header.key() + ": " + (value == null ? null : shown(value)));
            }
        }
        return lines;
    }

    private static String shown(byte[] value) {
        String text = new String(value, StandardCharsets.UTF_8);
        return Arrays.equals(text.getBytes(StandardCharsets.UTF_8), value) ? text : Arrays.toString(value);
    }

    static ConsumerRecord<byte[], byte[]> record(JsonNode message) {
        Headers headers = headers(message);
        return new ConsumerRecord<>(
                message.get("destination").asText(),
                message.get("partition").asInt(),
                message.get("offset").asLong(),
                ConsumerRecord.NO_TIMESTAMP,
                TimestampType.NO_TIMESTAMP_TYPE,
                ConsumerRecord.NULL_SIZE,
                ConsumerRecord.NULL_SIZE,
                octets(message.get("key")),
                octets(message.get("value")),
                headers == null ? new RecordHeaders() : headers,
                Optional.empty());
    }

    /** Returns a record of which nothing counts but its headers. */
    static ConsumerRecord<byte[], byte[]> record(String topic, Headers headers) {
        return new ConsumerRecord<>(
                topic,
                3,
                42,
                ConsumerRecord.NO_TIMESTAMP,
                TimestampType.NO_TIMESTAMP_TYPE,
                ConsumerRecord.NULL_SIZE,
                ConsumerRecord.NULL_SIZE,
                null,
                new byte[0],
                headers,
                Optional.empty());
    }

    /** Returns what a header says of a span. */
    static String traceparent(SpanContext span) {
        return "00-" + span.getTraceId() + '-' + span.getSpanId() + '-'
                + span.getTraceFlags().asHex();
    }

    static SpanContext spanContext(JsonNode given) {
        TraceStateBuilder state = TraceState.builder();
        String tracestate = text(given, "tracestate");
        List<String> members = tracestate == null ? List.of() : List.of(tracestate.split(","));
        Map<String, String> map = new LinkedHashMap<>();
        members.forEach(member -> map.put(member.split("=", 2)[0], member.split("=", 2)[1]));
        return SpanContext.create(
                text(given, "trace_id"),
                text(given, "span_id"),
                TraceFlags.fromHex(text(given, "flags"), 0),
                map.isEmpty() ? state.build() : new State(map));
    }

    static Context withSpan(Context context, JsonNode given) {
        return given.isNull() || text(given, "trace_id") == null
                ? context
                : context.with(Span.wrap(spanContext(given)));
    }

    static RuntimeException error(String type, String message) throws ReflectiveOperationException {
        return (RuntimeException)
                Class.forName(type).getConstructor(String.class).newInstance(message);
    }

    /** A state with members that OpenTelemetry's own builder would not take. */
    private record State(Map<String, String> asMap) implements TraceState {

        @Override
        public String get(String key) {
            return asMap.get(key);
        }

        @Override
        public int size() {
            return asMap.size();
        }

        @Override
        public boolean isEmpty() {
            return asMap.isEmpty();
        }

        @Override
        public void forEach(BiConsumer<String, String> consumer) {
            asMap.forEach(consumer);
        }

        @Override
        public TraceStateBuilder toBuilder() {
            throw new UnsupportedOperationException();
        }
    }
}
