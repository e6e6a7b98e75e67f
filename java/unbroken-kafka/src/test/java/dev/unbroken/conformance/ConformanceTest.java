package dev.unbroken.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.Correlation;
import dev.unbroken.kafka.Policy;
import dev.unbroken.kafka.ProcessScope;
import dev.unbroken.kafka.Unbroken;
import dev.unbroken.propagation.Carried;
import dev.unbroken.propagation.CarrierReader;
import dev.unbroken.propagation.Duplicates;
import dev.unbroken.propagation.TraceParent;
import dev.unbroken.propagation.TraceStateHeader;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.BaggageBuilder;
import io.opentelemetry.api.baggage.BaggageEntryMetadata;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** One test for each vector; what each came to is left in {@code target/conformance.json}. */
class ConformanceTest {

    private static final Map<String, Map<String, String>> RESULTS = new TreeMap<>();
    private static final String PLACEHOLDER = "00-{trace_id}-{span_id}-{flags}";
    private static final List<String> FIELDS = List.of("traceparent", "tracestate", "baggage");

    @AfterAll
    static void leaveTheResults() throws IOException {
        Files.createDirectories(Path.of("target"));
        Vectors.JSON
                .writerWithDefaultPrettyPrinter()
                .writeValue(Path.of("target", "conformance.json").toFile(), RESULTS);
    }

    static Stream<Arguments> extractVectors() throws IOException {
        return Vectors.of("extract");
    }

    static Stream<Arguments> injectVectors() throws IOException {
        return Vectors.of("inject");
    }

    static Stream<Arguments> processVectors() throws IOException {
        return Vectors.of("process");
    }

    static Stream<Arguments> sendVectors() throws IOException {
        return Vectors.of("send");
    }

    static Stream<Arguments> forwardVectors() throws IOException {
        return Vectors.of("forward");
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("extractVectors")
    void extract(JsonNode vector) throws Exception {
        noted("extract", vector, () -> {
            Headers headers = Vectors.headers(vector);
            Duplicates duplicates = duplicatesOf(vector);
            assertEquals(vector.get("expect"), read(headers, duplicates));
            Policy policy = Policy.builder().duplicates(duplicates).build();
            Context context = Unbroken.create(OpenTelemetry.noop(), policy).extract(headers);
            assertEquals(withoutReader(vector.get("expect")), extracted(context));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("injectVectors")
    void inject(JsonNode vector) throws Exception {
        noted("inject", vector, () -> {
            JsonNode given = vector.get("context");
            Context context = Vectors.withSpan(Context.root(), given);
            if (!given.get("baggage").isEmpty()) {
                context = context.with(baggageOf(given.get("baggage")));
            }
            Headers headers = Vectors.headers(vector);
            Headers injected = Unbroken.create(OpenTelemetry.noop()).inject(headers, context);
            assertEquals(Vectors.lines(Vectors.headers(vector.get("expect"))), Vectors.lines(injected));
            assertEquals(Vectors.lines(Vectors.headers(vector)), Vectors.lines(headers));
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("processVectors")
    void process(JsonNode vector) throws Exception {
        noted("process", vector, () -> {
            InMemorySpanExporter exporter = InMemorySpanExporter.create();
            try (OpenTelemetrySdk sdk = sdk(exporter)) {
                Unbroken unbroken = Unbroken.create(sdk, policyOf(vector.get("policy")));
                Context ambient = ambientOf(vector.get("ambient"));
                Inside inside;
                try (Scope scope = ambient.makeCurrent()) {
                    inside = processed(unbroken, vector);
                    assertSame(ambient, Context.current(), "the context after the block");
                }
                JsonNode expect = vector.get("expect");
                assertEquals(expect.get("baggage"), inside.baggage());
                List<SpanData> finished = exporter.getFinishedSpanItems();
                if (expect.get("span").isNull()) {
                    assertEquals(List.of(), finished);
                    assertEquals(expect.get("current"), ids(inside.span()));
                } else {
                    assertEquals(1, finished.size());
                    assertEquals(expected(expect.get("span")), shown(finished.get(0), vector));
                    assertEquals(finished.get(0).getSpanContext(), inside.span());
                }
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("sendVectors")
    void send(JsonNode vector) throws Exception {
        noted("send", vector, () -> {
            InMemorySpanExporter exporter = InMemorySpanExporter.create();
            try (OpenTelemetrySdk sdk = sdk(exporter)) {
                Headers headers = Vectors.headers(vector);
                Sent sent = sent(Unbroken.create(sdk, policyOf(vector.get("policy"))), headers, vector);
                List<SpanData> spans = exporter.getFinishedSpanItems().stream()
                        .filter(span -> span.getKind() != SpanKind.CONSUMER)
                        .toList();
                JsonNode expect = vector.get("expect");
                assertEquals(expect.get("span").isNull() ? 0 : 1, spans.size());
                SpanContext own = spans.isEmpty()
                        ? SpanContext.getInvalid()
                        : spans.get(0).getSpanContext();
                if (!spans.isEmpty()) {
                    assertEquals(expected(expect.get("span")), shownSend(spans.get(0), sent.around(), vector));
                }
                assertEquals(
                        Vectors.lines(Vectors.headers(expect)).stream()
                                .map(line -> line.replace(PLACEHOLDER, Vectors.traceparent(own)))
                                .toList(),
                        Vectors.lines(sent.headers()));
                assertEquals(Vectors.lines(Vectors.headers(vector)), Vectors.lines(headers));
            }
        });
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forwardVectors")
    void forward(JsonNode vector) throws Exception {
        noted("forward", vector, () -> {
            try (OpenTelemetrySdk sdk = sdk(InMemorySpanExporter.create())) {
                Unbroken unbroken = Unbroken.create(sdk);
                ConsumerRecord<?, ?> record = Vectors.record(vector.get("message"));
                JsonNode given = vector.get("error");
                Throwable error = given.isNull()
                        ? null
                        : Vectors.error(Vectors.text(given, "type"), Vectors.text(given, "message"));
                ProcessScope block = vector.get("block").asBoolean() ? unbroken.open(record) : null;
                Context around = Vectors.withSpan(Context.current(), vector.get("current"));
                Headers headers;
                try (Scope scope = around.makeCurrent()) {
                    headers = unbroken.forward(record, error);
                }
                if (block != null) {
                    block.close();
                }
                assertEquals(Vectors.lines(Vectors.headers(vector.get("expect"))), Vectors.lines(headers));
                assertEquals(Vectors.lines(Vectors.headers(vector.get("message"))), Vectors.lines(record.headers()));
            }
        });
    }

    private interface Check {
        void run() throws Exception;
    }

    /** What the client was given, and the span that was current around the send. */
    private record Sent(Headers headers, SpanContext around) {}

    private record Inside(SpanContext span, JsonNode baggage) {}

    private static void noted(String file, JsonNode vector, Check check) throws Exception {
        String result = "ok";
        try {
            check.run();
        } catch (Throwable difference) {
            result = "differs: " + difference.getMessage();
            throw difference;
        } finally {
            RESULTS.computeIfAbsent(file, name -> new TreeMap<>())
                    .put(vector.get("id").asText(), result);
        }
    }

    private static Inside processed(Unbroken unbroken, JsonNode vector) throws Exception {
        JsonNode message = vector.get("message");
        ConsumerFacts consumer =
                new ConsumerFacts(Vectors.text(message, "group"), Vectors.text(message, "client_id"), null, null);
        RuntimeException error = vector.get("error").isNull()
                ? null
                : Vectors.error(vector.get("error").asText(), "the reason");
        Inside[] inside = {null};
        Runnable run = () -> unbroken.process(Vectors.record(message), consumer, record -> {
            inside[0] = new Inside(Span.current().getSpanContext(), values(Baggage.current()));
            if (error != null) {
                throw error;
            }
        });
        if (error == null) {
            run.run();
        } else {
            assertSame(error, assertThrows(RuntimeException.class, run::run));
        }
        return inside[0];
    }

    private static Sent sent(Unbroken unbroken, Headers headers, JsonNode vector) {
        MockProducer<String, String> client =
                new MockProducer<>(true, new RoundRobinPartitioner(), new StringSerializer(), new StringSerializer());
        JsonNode processing = vector.get("processing");
        try (Scope scope = ambientOf(vector.get("ambient")).makeCurrent();
                ProcessScope block = processing.isNull()
                        ? null
                        : unbroken.open(Vectors.record("orders", Vectors.headers(processing)))) {
            SpanContext around = Span.current().getSpanContext();
            unbroken.traced(client)
                    .send(new ProducerRecord<>(vector.get("destination").asText(), null, (String) null, "{}", headers));
            return new Sent(client.history().get(0).headers(), block == null ? SpanContext.getInvalid() : around);
        }
    }

    private static OpenTelemetrySdk sdk(InMemorySpanExporter exporter) {
        return OpenTelemetrySdk.builder()
                .setTracerProvider(SdkTracerProvider.builder()
                        .setSampler(Sampler.alwaysOn())
                        .addSpanProcessor(SimpleSpanProcessor.create(exporter))
                        .build())
                .build();
    }

    private static Duplicates duplicatesOf(JsonNode node) {
        return Duplicates.valueOf(node.get("duplicates").asText().toUpperCase(Locale.ROOT));
    }

    private static Policy policyOf(JsonNode policy) {
        return Policy.builder()
                .correlation(
                        Correlation.valueOf(policy.get("correlation").asText().toUpperCase(Locale.ROOT)))
                .duplicates(duplicatesOf(policy))
                .spans(policy.get("spans").asBoolean())
                .only(texts(policy.path("only")))
                .ignore(texts(policy.path("ignore")))
                .build();
    }

    private static List<String> texts(JsonNode list) {
        List<String> texts = new ArrayList<>();
        list.forEach(text -> texts.add(text.asText()));
        return texts;
    }

    private static Context ambientOf(JsonNode ambient) {
        Context context = Context.root();
        if (ambient.isNull()) {
            return context;
        }
        if (!ambient.get("traceparent").isNull()) {
            TraceParent parent =
                    TraceParent.parse(ambient.get("traceparent").asText().getBytes());
            ObjectNode given = shown(parent);
            context = Vectors.withSpan(context, given);
        }
        if (!ambient.get("baggage").isEmpty()) {
            BaggageBuilder baggage = Baggage.builder();
            ambient.get("baggage")
                    .properties()
                    .forEach(member ->
                            baggage.put(member.getKey(), member.getValue().asText()));
            context = context.with(baggage.build());
        }
        return context;
    }

    private static Baggage baggageOf(JsonNode members) {
        // OpenTelemetry's builder drops a name that is not ASCII; that of the baggage which we have read does not.
        Baggage seed = reader(List.of(Map.entry("baggage", "seed=1".getBytes())))
                .carried(Duplicates.LAST)
                .baggage();
        BaggageBuilder baggage = seed.toBuilder().remove("seed");
        members.forEach(member -> baggage.put(
                Vectors.text(member, "name"),
                Vectors.text(member, "value"),
                BaggageEntryMetadata.create(Vectors.text(member, "properties"))));
        return baggage.build();
    }

    private static CarrierReader reader(Iterable<Map.Entry<String, byte[]>> headers) {
        CarrierReader reader = new CarrierReader();
        headers.forEach(header -> reader.header(header.getKey(), header.getValue()));
        return reader;
    }

    private static JsonNode read(Headers headers, Duplicates duplicates) {
        CarrierReader reader = new CarrierReader();
        if (headers != null) {
            for (Header header : headers) {
                reader.header(header.key(), header.value());
            }
        }
        Carried carried = reader.carried(duplicates);
        ObjectNode shown = shown(carried.parent());
        shown.put("outcome", carried.parent() == null ? "root" : "parent");
        shown.put("tracestate", carried.traceState().isEmpty() ? null : TraceStateHeader.format(carried.traceState()));
        ObjectNode baggage = shown.putObject("baggage");
        carried.baggage()
                .forEach((name, entry) -> baggage.putObject(name)
                        .put("value", entry.getValue())
                        .put("properties", entry.getMetadata().getValue()));
        ArrayNode links = shown.putArray("links");
        carried.others().forEach(other -> links.add(shown(other)));
        ArrayNode malformed = shown.putArray("malformed");
        FIELDS.forEach(field -> Collections.nCopies(carried.malformed().getOrDefault(field, 0), field)
                .forEach(malformed::add));
        return shown;
    }

    private static ObjectNode shown(TraceParent parent) {
        return Vectors.JSON
                .createObjectNode()
                .put("trace_id", parent == null ? null : parent.traceId())
                .put("span_id", parent == null ? null : parent.parentId())
                .put("flags", parent == null ? null : "0" + parent.flags());
    }

    /** Returns what the context tells of an expected result of extract. */
    private static JsonNode withoutReader(JsonNode expect) {
        ObjectNode shown = expect.deepCopy();
        shown.remove(List.of("outcome", "links", "malformed"));
        ObjectNode baggage = shown.putObject("baggage");
        expect.get("baggage")
                .properties()
                .forEach(
                        member -> baggage.set(member.getKey(), member.getValue().get("value")));
        return shown;
    }

    private static JsonNode extracted(Context context) {
        SpanContext span = Span.fromContext(context).getSpanContext();
        ObjectNode shown = shown((TraceParent) null);
        if (span.isValid()) {
            shown.setAll((ObjectNode) ids(span));
            shown.put("flags", span.getTraceFlags().asHex());
        }
        shown.put("tracestate", stateOf(span));
        shown.set("baggage", values(Baggage.fromContext(context)));
        return shown;
    }

    private static String stateOf(SpanContext span) {
        return span.getTraceState().isEmpty() ? null : TraceStateHeader.format(span.getTraceState());
    }

    private static JsonNode values(Baggage baggage) {
        ObjectNode values = Vectors.JSON.createObjectNode();
        baggage.forEach((name, entry) -> values.put(name, entry.getValue()));
        return values;
    }

    private static JsonNode ids(SpanContext span) {
        if (!span.isValid()) {
            return Vectors.JSON.nullNode();
        }
        return Vectors.JSON
                .createObjectNode()
                .put("trace_id", span.getTraceId())
                .put("span_id", span.getSpanId());
    }

    private static JsonNode expected(JsonNode span) {
        ObjectNode shown = span.deepCopy();
        List<JsonNode> links = new ArrayList<>();
        span.get("links").forEach(links::add);
        shown.set("links", inOrder(links));
        return Vectors.JSON.valueToTree(shown);
    }

    private static JsonNode shown(SpanData span, JsonNode vector) throws IOException {
        ObjectNode shown = shown(span, known(vector.get("ambient"), vector.get("message")));
        ObjectNode attributes = shown.putObject("attributes");
        span.getAttributes().forEach((key, value) -> attributes.putPOJO(key.getKey(), value));
        shown.put("status", span.getStatus().getStatusCode().name().toLowerCase(Locale.ROOT));
        return Vectors.JSON.readTree(Vectors.JSON.writeValueAsString(shown));
    }

    private static JsonNode shownSend(SpanData span, SpanContext processing, JsonNode vector) throws IOException {
        ObjectNode shown = shown(span, known(vector.get("ambient"), vector, vector.get("processing")));
        if (processing.isValid() && processing.getSpanId().equals(span.getParentSpanId())) {
            shown.put("parent", "process span");
        }
        return Vectors.JSON.readTree(Vectors.JSON.writeValueAsString(shown));
    }

    /** Returns the ids of the traces that are known before a span is made. */
    private static Set<String> known(JsonNode ambient, JsonNode... messages) {
        Set<String> known = new TreeSet<>();
        known.add(Span.fromContext(ambientOf(ambient)).getSpanContext().getTraceId());
        for (JsonNode message : messages) {
            JsonNode carried = read(message.isNull() ? null : Vectors.headers(message), Duplicates.LAST);
            known.add(carried.get("trace_id").asText());
            carried.get("links").forEach(link -> known.add(link.get("trace_id").asText()));
        }
        return known;
    }

    private static ObjectNode shown(SpanData span, Set<String> known) {
        boolean isRoot = !span.getParentSpanContext().isValid();
        boolean isOfParent = span.getParentSpanContext().getTraceId().equals(span.getTraceId());
        String child = isOfParent ? "same as parent" : "another than its parent";
        String root = known.contains(span.getTraceId()) ? "known" : "new";
        ObjectNode shown = Vectors.JSON.createObjectNode();
        shown.put("name", span.getName()).put("kind", span.getKind().name());
        shown.set("parent", ids(span.getParentSpanContext()));
        shown.put("trace", isRoot ? root : child).put("tracestate", stateOf(span.getSpanContext()));
        shown.set(
                "links",
                inOrder(span.getLinks().stream()
                        .map(link -> ids(link.getSpanContext()))
                        .toList()));
        return shown;
    }

    private static JsonNode inOrder(List<JsonNode> links) {
        ArrayNode sorted = Vectors.JSON.createArrayNode();
        links.stream().sorted(Comparator.comparing(JsonNode::toString)).forEach(sorted::add);
        return sorted;
    }
}
