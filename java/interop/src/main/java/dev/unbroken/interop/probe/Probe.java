package dev.unbroken.interop.probe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.ReadableSpan;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes and reads records as it is told, one JSON object a line and one answer each; the program of the same name in
 * Python says what is spoken.
 */
abstract class Probe {

    static final String BROKER = System.getenv("UNBROKEN_KAFKA");
    static final String CLIENT_ID = "probe";

    private static final ObjectMapper JSON = new ObjectMapper();

    final Unbroken unbroken;

    private final OpenTelemetrySdk sdk;
    private final Tracer tracer;
    private final Producer<byte[], byte[]> plain;

    Probe(OpenTelemetrySdk sdk) {
        this.sdk = sdk;
        this.tracer = sdk.getTracer("probe");
        this.unbroken = Unbroken.create(sdk);
        this.plain = new KafkaProducer<>(producerSettings(), new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** What a handler that fails throws. */
    static final class Poison extends RuntimeException {

        private static final long serialVersionUID = 1;

        Poison() {
            super("no such order");
        }
    }

    /** What to do in the block of a record. */
    interface Handler {
        void handle(ConsumerRecord<byte[], byte[]> record);
    }

    /** Writes a record with the traced producer; returns when the broker has it. */
    abstract void send(ProducerRecord<byte[], byte[]> record) throws Exception;

    /** Handles that many records from the start of a topic, each in its block. */
    abstract void read(String topic, int count, String group, boolean isBatch, Handler handler) throws Exception;

    static Properties producerSettings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", BROKER);
        settings.put("client.id", CLIENT_ID);
        return settings;
    }

    static String otlp() {
        return System.getenv().getOrDefault("UNBROKEN_OTLP", "");
    }

    void serve() throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.println("ready");
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
        }
        plain.close();
        sdk.close();
    }

    private ObjectNode answer(JsonNode command) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            switch (command.path("do").asText()) {
                case "produce" -> produce(command);
                case "raw" -> {
                    for (ProducerRecord<byte[], byte[]> record : records(command)) {
                        plain.send(record).get();
                    }
                }
                case "consume" -> answer.set("seen", consume(command));
                default -> answer.put("error", "unknown command");
            }
        } catch (Exception error) {
            error.printStackTrace();
            answer.put("error", error.toString());
        }
        return answer;
    }

    private void produce(JsonNode command) throws Exception {
        try (Scope ambient = contextOf(command.get("context")).makeCurrent()) {
            if (command.get("span").isNull()) {
                sendAll(command);
                return;
            }
            Span span = tracer.spanBuilder(command.get("span").asText()).startSpan();
            try (Scope scope = span.makeCurrent()) {
                sendAll(command);
            } finally {
                span.end();
            }
        }
    }

    private void sendAll(JsonNode command) throws Exception {
        for (ProducerRecord<byte[], byte[]> record : records(command)) {
            send(record);
        }
    }

    private ArrayNode consume(JsonNode command) throws Exception {
        ArrayNode seen = JSON.createArrayNode();
        Handler handler = record -> {
            seen.add(current());
            switch (command.path("then").asText()) {
                case "forward" -> {
                    Poison error = new Poison();
                    forward(command.path("to").asText(), record, error);
                    throw error;
                }
                case "fail" -> throw new Poison();
                default -> {
                    // nothing more to do
                }
            }
        };
        read(
                command.path("topic").asText(),
                command.path("count").asInt(),
                command.path("group").asText(),
                command.path("is_batch").asBoolean(),
                handler);
        return seen;
    }

    private void forward(String topic, ConsumerRecord<byte[], byte[]> record, Poison error) {
        try {
            send(new ProducerRecord<>(topic, null, record.key(), record.value(), unbroken.forward(record, error)));
        } catch (Exception failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static ObjectNode current() {
        Span span = Span.current();
        SpanContext found = span.getSpanContext();
        ObjectNode seen = JSON.createObjectNode()
                .put("trace_id", found.getTraceId())
                .put("flags", found.getTraceFlags().asHex())
                .put(
                        "tracestate",
                        found.getTraceState().asMap().entrySet().stream()
                                .map(member -> member.getKey() + "=" + member.getValue())
                                .collect(Collectors.joining(",")));
        SpanContext parent = span instanceof ReadableSpan readable ? readable.getParentSpanContext() : null;
        seen.put("parent_id", parent != null && parent.isValid() ? parent.getSpanId() : null);
        ObjectNode baggage = seen.putObject("baggage");
        Baggage.current().forEach((name, entry) -> baggage.put(name, entry.getValue()));
        return seen;
    }

    private static Context contextOf(JsonNode described) {
        if (described.isNull()) {
            return Context.root();
        }
        Context context = W3CTraceContextPropagator.getInstance().extract(Context.root(), described, FIELDS);
        var baggage = Baggage.builder();
        for (Map.Entry<String, JsonNode> entry : described.path("baggage").properties()) {
            baggage.put(entry.getKey(), entry.getValue().asText());
        }
        return context.with(baggage.build());
    }

    private static List<ProducerRecord<byte[], byte[]>> records(JsonNode command) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (JsonNode each : command.get("records")) {
            var record = new ProducerRecord<>(
                    command.path("topic").asText(), octets(each.get("key")), octets(each.get("value")));
            for (JsonNode header : each.get("headers")) {
                record.headers().add(header.get(0).asText(), octets(header.get(1)));
            }
            records.add(record);
        }
        return records;
    }

    private static byte[] octets(JsonNode text) {
        return text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }

    private static final TextMapGetter<JsonNode> FIELDS = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(JsonNode described) {
            return List.of("traceparent", "tracestate");
        }

        @Override
        public String get(JsonNode described, String name) {
            return described == null || !described.hasNonNull(name)
                    ? null
                    : described.get(name).asText();
        }
    };
}
