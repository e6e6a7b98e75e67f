package dev.unbroken.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.extension.trace.propagation.JaegerPropagator;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.infra.Blackhole;

/** One record whose mebibyte of headers was made to cost a consumer time, with metrics on. */
@State(Scope.Thread)
public class HostileBenchmark {

    private static final int MEBIBYTE = 1 << 20;

    /** What the headers are. */
    public enum Shape {
        /** A good traceparent, and nothing else. */
        NORMAL(null, "", 0),
        /** Tens of thousands of empty values. */
        EMPTY_TRACEPARENT("traceparent", "", 70_000),
        /** As many good values, each another. */
        DIFFERENT_TRACEPARENT("traceparent", "00-7e2b90f4d1c3485ea6b7c8d9e0f10213-%016x-01", 16_000),
        /** Names that are ours but for their last letter. */
        NEARLY_TRACEPARENT("TRACEPARENU", "", 70_000),
        /** Names of one letter. */
        SHORT_NAMES("t", "", 150_000),
        /** White space between commas. */
        BLANK_TRACESTATE("tracestate", " ,".repeat(MEBIBYTE / 2), 1),
        /** Tens of thousands of them. */
        EMPTY_TRACESTATE("tracestate", "", 70_000),
        /** White space between commas. */
        BLANK_BAGGAGE("baggage", " ,".repeat(MEBIBYTE / 2), 1),
        /** Members that break the grammar. */
        BAD_BAGGAGE("baggage", "=,".repeat(MEBIBYTE / 2), 1),
        /** Tens of thousands of them. */
        EMPTY_BAGGAGE("baggage", "", 70_000),
        /** One value of a mebibyte. */
        LONG_TRACEPARENT("traceparent", " ".repeat(MEBIBYTE), 1),
        /** One value of a mebibyte. */
        LONG_TRACESTATE("tracestate", "a".repeat(MEBIBYTE), 1),
        /** One value of a mebibyte. */
        LONG_BAGGAGE("baggage", "a".repeat(MEBIBYTE), 1),
        /** Baggage of Jaeger, a header for each member, for its propagator. */
        JAEGER_BAGGAGE("uberctx-%05d", "v", 64_000),
        /** A key of a mebibyte. */
        LONG_KEY(null, "", 0);

        private final String name;
        private final String value;
        private final int count;

        Shape(String name, String value, int count) {
            this.name = name;
            this.value = value;
            this.count = count;
        }

        RecordHeaders headers() {
            RecordHeaders headers = new RecordHeaders();
            headers.add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".getBytes(UTF_8));
            for (int number = 0; number < count; number++) {
                headers.add(
                        String.format(name, number),
                        String.format(value, number).getBytes(UTF_8));
            }
            return headers;
        }
    }

    /** What the headers are. */
    @Param
    public Shape shape;

    private Unbroken unbroken;
    private RecordHeaders headers;
    private String key;

    /** Makes the headers, and what reads them. */
    @Setup
    public void prepare() {
        TextMapPropagator propagator = shape == Shape.JAEGER_BAGGAGE ? JaegerPropagator.getInstance() : Tracing.W3C;
        unbroken = Unbroken.create(Tracing.measuring(propagator));
        headers = shape.headers();
        key = shape == Shape.LONG_KEY ? "k".repeat(MEBIBYTE) : "order-17";
    }

    /**
     * Processes the record.
     *
     * @param blackhole takes the value
     */
    @Benchmark
    public void process(Blackhole blackhole) {
        ConsumerRecord<String, String> record = new ConsumerRecord<>(
                "orders",
                0,
                17,
                1_700_000_000_000L,
                TimestampType.CREATE_TIME,
                -1,
                -1,
                key,
                "{}",
                headers,
                Optional.empty());
        unbroken.process(record, given -> blackhole.consume(given.value()));
    }
}
