package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.unbroken.propagation.Duplicates;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.propagation.W3CBaggagePropagator;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.context.propagation.TextMapSetter;
import io.opentelemetry.extension.trace.propagation.B3Propagator;
import io.opentelemetry.extension.trace.propagation.JaegerPropagator;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class PropagatorsTest {

    private static final TextMapPropagator TRACE = W3CTraceContextPropagator.getInstance();
    private static final TextMapPropagator BAGGAGE = W3CBaggagePropagator.getInstance();

    @Test
    void withoutAPropagatorTheContextTravelsAsW3c() {
        assertEquals(Propagators.W3C, Propagators.of(TextMapPropagator.noop(), null));
    }

    @Test
    void anApplicationThatAskedForNoPropagatorHasNone() {
        assertEquals(new Propagators(false, false, null), Propagators.of(TextMapPropagator.noop(), "none"));
    }

    @Test
    void thePairIsOurs() {
        assertEquals(Propagators.W3C, Propagators.of(TextMapPropagator.composite(BAGGAGE, TRACE), null));
    }

    @Test
    void thePairOfTheJavaAgentIsOurs() {
        assertEquals(
                Propagators.W3C,
                Propagators.of(
                        new ApplicationTextMapPropagator(List.of("traceparent", "tracestate", "baggage")), null));
        TextMapPropagator b3 = new ApplicationTextMapPropagator(List.of("b3"));
        assertSame(b3, Propagators.of(b3, null).foreign());
    }

    @Test
    void oneOfThePairCarriesItsOwnFieldsOnly() {
        assertEquals(new Propagators(true, false, null), Propagators.of(TRACE, null));
        assertEquals(new Propagators(false, true, null), Propagators.of(BAGGAGE, null));
    }

    @Test
    void withBaggageOnlyNoTraceIsReadOrWritten() {
        try (Telemetry telemetry = Telemetry.create(BAGGAGE)) {
            Unbroken unbroken = telemetry.unbroken();
            Headers headers = Records.headers("traceparent", Records.TRACEPARENT, "baggage", "a=1");
            Context context = unbroken.extract(headers);
            assertFalse(Span.fromContext(context).getSpanContext().isValid());
            assertEquals("1", Baggage.fromContext(context).getEntryValue("a"));
            Context other = Baggage.builder().put("a", "2").build().storeInContext(Context.root());
            assertEquals(List.of(Records.TRACEPARENT), Records.values(unbroken.inject(headers, other), "traceparent"));
        }
    }

    @Test
    void aCompositeWithAnotherIsUsedAsItIs() {
        TextMapPropagator composite = TextMapPropagator.composite(TRACE, B3Propagator.injectingSingleHeader());
        assertEquals(composite, Propagators.of(composite, null).foreign());
    }

    @Test
    void b3IsReadAndWritten() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Unbroken unbroken = telemetry.unbroken();
            String b3 = Records.TRACE + "-" + Records.SPAN + "-1";
            unbroken.process(Records.record("B3", b3), record -> {
                assertEquals(Records.TRACE, Span.current().getSpanContext().getTraceId());
                Headers headers = unbroken.inject(record.headers());
                assertEquals(1, Records.values(headers, "b3").size());
                assertTrue(Records.values(headers, "b3").get(0).startsWith(Records.TRACE));
                assertEquals(List.of(), Records.values(headers, "traceparent"));
            });
            assertEquals(Records.SPAN, telemetry.span().getParentSpanId());
        }
    }

    @Test
    void ofSeveralB3HeadersTheLastCounts() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Context context = telemetry
                    .unbroken()
                    .extract(Records.headers(
                            "b3",
                            Records.OTHER_TRACE + "-91b5d3f7082a4c6e-1",
                            "b3",
                            Records.TRACE + "-" + Records.SPAN + "-1"));
            assertEquals(
                    Records.TRACE, Span.fromContext(context).getSpanContext().getTraceId());
        }
    }

    @Test
    void aRecordWithoutB3DoesNotJoinTheAmbientTrace() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Unbroken unbroken = telemetry.unbroken();
            unbroken.process(Records.record("b3", Records.TRACE + "-" + Records.SPAN + "-1"), outer -> {
                unbroken.process(Records.record("orders", 43), inner -> {});
            });
            assertFalse(telemetry.spans().get(0).getParentSpanContext().isValid());
        }
    }

    @Test
    void jaegerIsShownAsMuchBaggageAsItCanTakeTheNewest() {
        try (Telemetry telemetry = Telemetry.create(JaegerPropagator.getInstance())) {
            Headers headers = Records.headers("Uber-Trace-Id", Records.TRACE + ":" + Records.SPAN + ":0:1");
            for (int number = 0; number < 64_000; number++) {
                headers.add("uberctx-" + number, Integer.toString(number).getBytes(StandardCharsets.US_ASCII));
            }
            Context context = telemetry.unbroken().extract(headers);
            assertEquals(
                    Records.TRACE, Span.fromContext(context).getSpanContext().getTraceId());
            assertEquals(128, Baggage.fromContext(context).size());
            assertEquals("63999", Baggage.fromContext(context).getEntryValue("63999"));
        }
    }

    @Test
    void ofTensOfThousandsOfB3HeadersTheNewestThatIsTextCounts() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Headers headers = new RecordHeaders();
            for (int number = 0; number < 70_000; number++) {
                headers.add("b3", (Records.OTHER_TRACE + "-91b5d3f7082a4c6e-1").getBytes(StandardCharsets.US_ASCII));
            }
            headers.add("B3", (Records.TRACE + "-" + Records.SPAN + "-1").getBytes(StandardCharsets.US_ASCII));
            headers.add("b3", new byte[] {(byte) 0xff});
            assertEquals(
                    Records.TRACE,
                    Span.fromContext(telemetry.unbroken().extract(headers))
                            .getSpanContext()
                            .getTraceId());
        }
    }

    @Test
    void aB3HeaderIsFoundBehindAndBeforeTensOfThousandsOfOthers() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Headers headers = Records.headers("b3", Records.TRACE + "-" + Records.SPAN + "-1");
            for (int number = 0; number < 70_000; number++) {
                headers.add("k" + number, new byte[0]);
            }
            Unbroken last = telemetry.unbroken();
            Unbroken first = Unbroken.create(
                    telemetry.sdk(),
                    Policy.builder().duplicates(Duplicates.RESTART).build());
            for (Unbroken each : List.of(last, first)) {
                assertEquals(
                        Records.TRACE,
                        Span.fromContext(each.extract(headers)).getSpanContext().getTraceId());
            }
        }
    }

    @Test
    void headersThatAreNoTextAreNoneForAnotherPropagator() {
        try (Telemetry telemetry = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Headers headers =
                    new RecordHeaders().add("b3", new byte[] {(byte) 0xff}).add("b3", null);
            assertNull(Span.fromContextOrNull(telemetry.unbroken().extract(headers)));
        }
    }

    /** Named as the class of the agent that stands for its propagators. */
    private record ApplicationTextMapPropagator(List<String> fields) implements TextMapPropagator {

        @Override
        public <C> void inject(Context context, C carrier, TextMapSetter<C> setter) {}

        @Override
        public <C> Context extract(Context context, C carrier, TextMapGetter<C> getter) {
            return context;
        }
    }
}
