package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** On a real Kafka. */
class BrokerTest {

    private final Broker broker = Broker.running();
    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();

    @AfterEach
    void theContextIsCleanAfterwards() {
        telemetry.close();
        assertSame(Context.root(), Context.current());
    }

    @Test
    void aRecordIsProcessedInTheTraceThatSentIt() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(Map.of())) {
            producer.send(new ProducerRecord<>(topic, "order-17", "{}")).get();
        }
        unbroken.process(broker.records(topic, 1).get(0), record -> {});
        SpanData sent = telemetry.span("send " + topic);
        assertEquals(sent.getSpanId(), telemetry.span("process " + topic).getParentSpanId());
        assertEquals("0", sent.getAttributes().get(Semconv.PARTITION));
        assertEquals(0, sent.getAttributes().get(Semconv.OFFSET));
    }

    @Test
    void aRecordThatIsSentTwiceHasEachTimeOneTraceparentOnTheWire() throws Exception {
        String topic = broker.topic(Map.of());
        ProducerRecord<String, String> record = new ProducerRecord<>(topic, "{}");
        try (Producer<String, String> producer = producer(Map.of());
                Producer<String, String> plain = broker.producer(Map.of())) {
            producer.send(record).get();
            producer.send(record).get();
            plain.send(record).get(); // makes the headers of the record read-only
            producer.send(record).get();
        }
        List<ConsumerRecord<String, String>> records = broker.records(topic, 4);
        assertEquals(
                List.of(1, 1, 0, 1), records.stream().map(BrokerTest::parents).toList());
    }

    @Test
    void aRecordThatIsForwardedThreeTimesKeepsItsTraceAndItsOrigin() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(Map.of())) {
            producer.send(new ProducerRecord<>(topic, "{}")).get();
            for (int attempt = 1; attempt <= 3; attempt++) {
                ConsumerRecord<String, String> last =
                        broker.records(topic, attempt).get(attempt - 1);
                unbroken.process(
                        last,
                        record -> producer.send(new ProducerRecord<>(
                                        topic,
                                        null,
                                        record.key(),
                                        record.value(),
                                        unbroken.forward(record, new IllegalStateException("no"))))
                                .get());
            }
        }
        ConsumerRecord<String, String> dead = broker.records(topic, 4).get(3);
        assertEquals(1, parents(dead));
        assertEquals(List.of("3"), Records.values(dead.headers(), "unbroken-attempt"));
        assertEquals(List.of("java.lang.IllegalStateException: no"), Records.values(dead.headers(), "unbroken-error"));
        assertEquals(
                1,
                telemetry.spans().stream().map(SpanData::getTraceId).distinct().count());
    }

    @Test
    void withoutAnAcknowledgementThereIsNoOffset() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(Map.of("acks", "0", "enable.idempotence", false))) {
            producer.send(new ProducerRecord<>(topic, "{}")).get();
        }
        SpanData sent = telemetry.span("send " + topic);
        assertEquals("0", sent.getAttributes().get(Semconv.PARTITION));
        assertNull(sent.getAttributes().get(Semconv.OFFSET));
    }

    @Test
    void aRecordThatTheBrokerRefusesMarksItsSpan() throws Exception {
        String topic = broker.topic(Map.of("max.message.bytes", "200"));
        try (Producer<String, String> producer = producer(Map.of())) {
            Future<?> sent = producer.send(new ProducerRecord<>(topic, "x".repeat(1000)));
            assertInstanceOf(
                    RecordTooLargeException.class,
                    assertThrows(ExecutionException.class, sent::get).getCause());
        }
        SpanData span = telemetry.span("send " + topic);
        assertEquals(StatusCode.ERROR, span.getStatus().getStatusCode());
        assertEquals(
                RecordTooLargeException.class.getName(), span.getAttributes().get(Semconv.ERROR_TYPE));
        assertEquals(1, span.getEvents().size());
    }

    @Test
    void aRecordThatTheClientRefusesMarksItsSpan() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(Map.of("max.request.size", 100))) {
            Future<?> sent = producer.send(new ProducerRecord<>(topic, "x".repeat(1000)));
            assertThrows(ExecutionException.class, sent::get);
        }
        assertEquals(
                StatusCode.ERROR, telemetry.span("send " + topic).getStatus().getStatusCode());
    }

    @Test
    void aTransactionCarriesTheContext() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer =
                producer(Map.of("transactional.id", UUID.randomUUID().toString()))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "given up")).get();
            producer.abortTransaction();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "{}"));
            producer.commitTransaction();
        }
        ConsumerRecord<String, String> committed = broker.records(topic, 1).get(0);
        assertEquals("{}", committed.value());
        assertEquals(1, parents(committed));
        assertEquals(2, telemetry.spans().size());
    }

    @Test
    void aRecordOfAnAbortedTransactionThatWasNotSentYetMarksItsSpan() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(
                Map.of("transactional.id", UUID.randomUUID().toString(), "linger.ms", 60_000, "batch.size", 100_000))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, "{}"));
            producer.abortTransaction();
        }
        assertEquals(
                StatusCode.ERROR, telemetry.span("send " + topic).getStatus().getStatusCode());
    }

    @Test
    void aFencedProducerRaisesAsItDoesUntraced() throws Exception {
        String topic = broker.topic(Map.of());
        Map<String, Object> same = Map.of("transactional.id", UUID.randomUUID().toString());
        try (Producer<String, String> old = producer(same);
                Producer<String, String> next = producer(same)) {
            old.initTransactions();
            old.beginTransaction();
            next.initTransactions();
            old.send(new ProducerRecord<>(topic, "{}"));
            assertThrows(ApiException.class, old::commitTransaction); // which one differs between versions of Kafka
        }
        assertEquals(
                StatusCode.ERROR, telemetry.span("send " + topic).getStatus().getStatusCode());
    }

    @Test
    void recordsSentOnManyThreadsCarryTheTraceOfTheirThread() throws Exception {
        int threads = 8;
        int each = 200;
        String topic = broker.topic(Map.of());
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try (Producer<String, String> producer = producer(Map.of())) {
            List<Future<?>> sending = new ArrayList<>();
            for (int thread = 0; thread < threads; thread++) {
                sending.add(executor.submit(() -> {
                    Span own = telemetry
                            .sdk()
                            .getTracer("test")
                            .spanBuilder("thread")
                            .startSpan();
                    try (Scope scope = own.makeCurrent()) {
                        for (int number = 0; number < each; number++) {
                            producer.send(new ProducerRecord<>(
                                    topic, own.getSpanContext().getTraceId()));
                        }
                    }
                }));
            }
            for (Future<?> done : sending) {
                done.get();
            }
        } finally {
            executor.shutdownNow();
        }
        for (ConsumerRecord<String, String> record : broker.records(topic, threads * each)) {
            List<String> written = Records.values(record.headers(), "traceparent");
            assertEquals(1, written.size());
            assertTrue(written.get(0).startsWith("00-" + record.value()));
        }
        assertEquals(threads * each, telemetry.spans().size());
    }

    @Test
    void eachRecordOfABatchIsProcessedInTheTraceThatSentIt() throws Exception {
        String topic = broker.topic(Map.of());
        try (Producer<String, String> producer = producer(Map.of())) {
            for (int number = 0; number < 5; number++) {
                producer.send(new ProducerRecord<>(topic, "{}"));
            }
        }
        List<ConsumerRecord<String, String>> records = broker.records(topic, 5);
        try (ReceiveScope batch = unbroken.receive(records)) {
            for (ConsumerRecord<String, String> record : records) {
                unbroken.process(
                        record,
                        given -> assertTrue(Records.values(given.headers(), "traceparent")
                                .get(0)
                                .startsWith(
                                        "00-" + Span.current().getSpanContext().getTraceId())));
            }
        }
        SpanData poll = telemetry.span("poll " + topic);
        assertEquals(5, poll.getLinks().size());
        assertEquals(11, telemetry.spans().size());
    }

    private Producer<String, String> producer(Map<String, Object> configs) {
        return unbroken.traced(broker.producer(configs));
    }

    private static int parents(ConsumerRecord<?, ?> record) {
        return Records.values(record.headers(), "traceparent").size();
    }
}
