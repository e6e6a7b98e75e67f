package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.extension.trace.propagation.B3Propagator;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class SendTest {

    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();
    private final MockProducer<String, String> client =
            new MockProducer<>(false, new RoundRobinPartitioner(), new StringSerializer(), new StringSerializer());
    private final Producer<String, String> producer =
            unbroken.traced(client, new ProducerFacts("shop", "broker", 9092));

    @AfterEach
    void theContextIsCleanAfterwards() {
        telemetry.close();
        assertSame(Context.root(), Context.current());
    }

    @Test
    void theSpanEndsWithTheAcknowledgement() {
        producer.send(record());
        assertEquals(0, telemetry.spans().size());
        client.completeNext();
        SpanData span = telemetry.span("send orders");
        assertEquals(SpanKind.PRODUCER, span.getKind());
        assertEquals("0", span.getAttributes().get(Semconv.PARTITION));
        assertEquals(0, span.getAttributes().get(Semconv.OFFSET));
        assertEquals("shop", span.getAttributes().get(Semconv.CLIENT_ID));
    }

    @Test
    void theHeadersCarryTheSpan() {
        SpanData span = sent(record());
        String flags = span.getSpanContext().getTraceFlags().asHex(); // newer SDKs say that the trace id is random
        assertEquals(List.of("00-" + span.getTraceId() + "-" + span.getSpanId() + "-" + flags), written("traceparent"));
    }

    @Test
    void theApplicationsRecordIsNotChanged() {
        ProducerRecord<String, String> record = record("k", "v");
        sent(record);
        assertEquals(1, record.headers().toArray().length);
        record.headers().add("still", new byte[0]);
    }

    @Test
    void aRecordThatIsSentTwiceCarriesEachTimeOneContext() {
        ProducerRecord<String, String> record = record();
        producer.send(record);
        producer.send(record);
        client.completeNext();
        client.completeNext();
        assertEquals(1, written("traceparent").size());
        assertEquals(
                2,
                telemetry.spans().stream().map(SpanData::getTraceId).distinct().count());
    }

    @Test
    void aRecordWhoseHeadersAreReadOnlyIsSent() {
        ProducerRecord<String, String> record = record("k", "v");
        ((RecordHeaders) record.headers()).setReadOnly();
        sent(record);
        assertEquals(1, written("traceparent").size());
    }

    @Test
    void aFailedAcknowledgementMarksTheSpan() {
        AtomicReference<Exception> told = new AtomicReference<>();
        producer.send(record(), (metadata, error) -> told.set(error));
        TimeoutException error = new TimeoutException("no answer");
        client.errorNext(error);
        assertSame(error, told.get());
        SpanData span = telemetry.span();
        assertEquals(StatusCode.ERROR, span.getStatus().getStatusCode());
        assertEquals(TimeoutException.class.getName(), span.getAttributes().get(Semconv.ERROR_TYPE));
        assertNull(span.getAttributes().get(Semconv.OFFSET));
    }

    @Test
    void aSendThatRaisesEndsItsSpan() {
        client.sendException = new InvalidTopicException("orders");
        assertSame(client.sendException, assertThrows(InvalidTopicException.class, () -> producer.send(record())));
        assertEquals(StatusCode.ERROR, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void theCallbackRunsInTheContextOfTheSend() {
        AtomicReference<Span> current = new AtomicReference<>();
        producer.send(record(), (metadata, error) -> current.set(Span.current()));
        client.completeNext();
        assertEquals(telemetry.span().getSpanContext(), current.get().getSpanContext());
    }

    @Test
    void aChildOfTheCurrentSpanIsSent() {
        Span request = telemetry.sdk().getTracer("test").spanBuilder("request").startSpan();
        try (Scope scope = request.makeCurrent()) {
            assertEquals(request.getSpanContext().getSpanId(), sent(record()).getParentSpanId());
        }
    }

    @Test
    void headersWithoutASpanAroundKeepTheirTrace() {
        SpanData span = sent(record("traceparent", Records.TRACEPARENT));
        assertEquals(Records.SPAN, span.getParentSpanId());
        assertEquals(1, written("traceparent").size());
    }

    @Test
    void headersThatArePassedOnAreReplaced() {
        unbroken.process(Records.record("traceparent", Records.TRACEPARENT), record -> {
            SpanData span = sent(record("Traceparent", Records.TRACEPARENT));
            assertEquals(Span.current().getSpanContext().getSpanId(), span.getParentSpanId());
            assertEquals(1, written("traceparent").size());
        });
    }

    @Test
    void headersThatArePassedOnAreReplacedInATraceThatIsOnlyLinkedToo() {
        Policy policy = Policy.builder().correlation(Correlation.LINK).build();
        Unbroken linking = Unbroken.create(telemetry.sdk(), policy);
        linking.process(Records.record("traceparent", Records.TRACEPARENT), record -> {
            SpanData span = sent(record("traceparent", Records.TRACEPARENT));
            assertEquals(Span.current().getSpanContext().getSpanId(), span.getParentSpanId());
            assertEquals(SpanKind.PRODUCER, span.getKind());
        });
    }

    @Test
    void aContextThatTheApplicationHasChosenIsKept() {
        unbroken.process(Records.record("traceparent", Records.TRACEPARENT), record -> {
            SpanData span = sent(record("traceparent", Records.OTHER_TRACEPARENT));
            assertEquals(SpanKind.CLIENT, span.getKind());
            assertEquals(
                    Records.OTHER_TRACE, span.getLinks().get(0).getSpanContext().getTraceId());
            assertEquals(List.of(Records.OTHER_TRACEPARENT), written("traceparent"));
        });
    }

    @Test
    void aTracedProducerAroundATracedOneMakesOneSpan() {
        assertSame(producer, unbroken.traced(producer));
        Producer<String, String> around = unbroken.traced(new Around<>(producer).proxy());
        around.send(record());
        client.completeNext();
        assertEquals(1, telemetry.spans().size());
        assertEquals(1, written("traceparent").size());
    }

    @Test
    void aWrapperBetweenTwoTracedOnesThatDropsTheHeadersDoesNotLoseTheContext() {
        try (Telemetry b3 = Telemetry.create(B3Propagator.injectingSingleHeader())) {
            Producer<String, String> inner = b3.unbroken().traced(client);
            b3.unbroken().traced(new Dropping<>(inner).proxy()).send(record());
            client.completeNext();
            SpanData span = b3.span();
            assertEquals(List.of(span.getTraceId() + "-" + span.getSpanId() + "-1"), written("b3"));
        }
    }

    @Test
    void baggageAloneSurvivesBothSendsOfARecord() {
        unbroken.traced(new Around<>(producer).proxy()).send(record("baggage", "tenant=blue"));
        assertEquals(List.of("tenant=blue"), written("baggage"));
        unbroken.traced(new Dropping<>(producer).proxy()).send(record("baggage", "tenant=blue"));
        assertEquals(List.of("tenant=blue"), written("baggage"));
        assertEquals(1, written("traceparent").size());
    }

    @Test
    void aBrokerWithoutHeadersGetsTheRecordsAsTheyAre() {
        Producer<String, String> old = unbroken.traced(new Old<>(client).proxy());
        ProducerRecord<String, String> one = record();
        old.send(one);
        old.send(record());
        client.completeNext();
        client.completeNext();
        assertSame(one, client.history().get(0));
        assertEquals(2, client.history().size());
        assertEquals(List.of(), written("traceparent"));
        assertEquals(
                List.of(StatusCode.UNSET, StatusCode.UNSET),
                telemetry.spans().stream()
                        .map(span -> span.getStatus().getStatusCode())
                        .toList());
    }

    @Test
    void headersOfTheApplicationAreRefusedByABrokerWithoutHeadersAsWithoutTracing() {
        Producer<String, String> old = unbroken.traced(new Old<>(client).proxy());
        Class<IllegalArgumentException> refused = IllegalArgumentException.class;
        String plain = assertThrows(refused, () -> new Old<>(client).proxy().send(record("k", "v")))
                .getMessage();
        assertEquals(
                plain, assertThrows(refused, () -> old.send(record("k", "v"))).getMessage());
        assertEquals(StatusCode.ERROR, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void aSendThatIsRefusedForAnotherReasonIsNotRepeated() {
        client.sendException = new IllegalArgumentException("no");
        assertSame(client.sendException, assertThrows(IllegalArgumentException.class, () -> producer.send(record())));
        assertEquals(StatusCode.ERROR, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void aProducerThatReturnsNullReturnsNull() {
        assertNull(unbroken.traced(new Answering<String, String>(null).proxy()).send(record()));
        assertEquals("send orders", telemetry.span().getName());
    }

    @Test
    void aNullRecordIsRefusedByTheClient() {
        assertThrows(NullPointerException.class, () -> producer.send(null));
        assertEquals(List.of(), telemetry.spans());
    }

    @Test
    void aKeyIsOnTheSpanAsEveryExporterTakesIt() {
        String pair = "\ud83d\udd11";
        assertEquals("a?b", keyOf("a\ud800b"));
        assertEquals("k".repeat(1023) + pair, keyOf("k".repeat(1023) + pair + "\ud800"));
        assertEquals("k".repeat(1024), keyOf("k".repeat(1 << 20)));
    }

    @Test
    void theTextOfAnErrorIsOnTheSpanAsEveryExporterTakesIt() {
        client.sendException = new IllegalStateException("\ud800" + "x".repeat(1 << 20));
        assertThrows(IllegalStateException.class, () -> producer.send(record()));
        String told = telemetry.span().getStatus().getDescription();
        assertEquals("IllegalStateException: ?xx", told.substring(0, 26));
        assertEquals(1024, told.length());
    }

    private String keyOf(String key) {
        producer.send(new ProducerRecord<>("orders", null, key, "{}"));
        client.completeNext();
        List<SpanData> spans = telemetry.spans();
        return spans.get(spans.size() - 1).getAttributes().get(Semconv.KEY);
    }

    @Test
    void aTopicThatIsLeftOutIsSentAsItIs() {
        Policy policy = Policy.builder().only(List.of("payments")).build();
        ProducerRecord<String, String> record = record();
        Unbroken.create(telemetry.sdk(), policy).traced(client).send(record);
        assertSame(record, client.history().get(0));
    }

    @Test
    void withoutAnSdkTheContextTravels() {
        Unbroken plain = Unbroken.create(OpenTelemetry.noop());
        plain.process(
                Records.record("traceparent", Records.TRACEPARENT),
                record -> plain.traced(client).send(record()));
        assertEquals(List.of(Records.TRACEPARENT), written("traceparent"));
    }

    @Test
    void withNothingToCarryTheRecordIsSentAsItIs() {
        ProducerRecord<String, String> record = record();
        Unbroken.create(OpenTelemetry.noop()).traced(client).send(record);
        assertSame(record, client.history().get(0));
    }

    @Test
    void aTombstoneIsOne() {
        SpanData span = sent(new ProducerRecord<>("orders", 0, "order-17", null));
        assertTrue(span.getAttributes().get(Semconv.TOMBSTONE));
        assertEquals("order-17", span.getAttributes().get(Semconv.KEY));
    }

    @Test
    void allElseGoesToTheProducer() {
        producer.initTransactions();
        client.fenceProducer();
        assertThrows(ProducerFencedException.class, producer::beginTransaction);
        producer.close();
        assertTrue(client.closed());
        assertFalse(producer.equals(client));
        assertEquals(producer, producer);
        assertNotEquals(0, producer.hashCode());
    }

    /** Another library's wrapper, which hands each call on. */
    private record Around<K, V>(Producer<K, V> inner) {

        @SuppressWarnings("unchecked")
        Producer<K, V> proxy() {
            return (Producer<K, V>) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(),
                    new Class<?>[] {Producer.class},
                    (proxy, method, arguments) -> method.invoke(inner, arguments));
        }
    }

    /** A producer whose broker is older than 0.11: what the client puts into its buffer is refused there. */
    private record Old<K, V>(Producer<K, V> inner) {

        @SuppressWarnings("unchecked")
        Producer<K, V> proxy() {
            return (Producer<K, V>) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Producer.class}, (proxy, method, arguments) -> {
                        Header[] headers =
                                ((ProducerRecord<K, V>) arguments[0]).headers().toArray();
                        MemoryRecords.builder(
                                        ByteBuffer.allocate(1024),
                                        RecordBatch.MAGIC_VALUE_V1,
                                        Compression.NONE,
                                        TimestampType.CREATE_TIME,
                                        0)
                                .append(1, new byte[0], new byte[0], headers);
                        return inner.send((ProducerRecord<K, V>) arguments[0], (Callback) arguments[1]);
                    });
        }
    }

    /** A double, which answers every call with the same. */
    private record Answering<K, V>(Object answer) {

        @SuppressWarnings("unchecked")
        Producer<K, V> proxy() {
            return (Producer<K, V>) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Producer.class}, (proxy, method, arguments) -> answer);
        }
    }

    /** Another library's wrapper, which sends without the headers that it was given. */
    private record Dropping<K, V>(Producer<K, V> inner) {

        @SuppressWarnings("unchecked")
        Producer<K, V> proxy() {
            return (Producer<K, V>) java.lang.reflect.Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Producer.class}, (proxy, method, arguments) -> {
                        ProducerRecord<K, V> given = (ProducerRecord<K, V>) arguments[0];
                        ProducerRecord<K, V> bare = new ProducerRecord<>(given.topic(), given.key(), given.value());
                        return inner.send(bare, (Callback) arguments[1]);
                    });
        }
    }

    private SpanData sent(ProducerRecord<String, String> record) {
        producer.send(record);
        client.completeNext();
        return telemetry.span("send orders");
    }

    /** Returns the values that the last record carries under a name. */
    private List<String> written(String name) {
        List<ProducerRecord<String, String>> history = client.history();
        Iterable<Header> headers = history.get(history.size() - 1).headers();
        return Records.values(headers, name);
    }

    private static ProducerRecord<String, String> record(String... headers) {
        return new ProducerRecord<>("orders", null, "order-17", "{}", Records.headers(headers));
    }
}
