package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import io.opentelemetry.sdk.common.InstrumentationScopeInfo;
import io.opentelemetry.sdk.metrics.data.HistogramPointData;
import io.opentelemetry.sdk.metrics.data.MetricData;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class MetricsTest {

    private static final ConsumerFacts CONSUMER = new ConsumerFacts("billing", "billing-1", "broker", 9092);

    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();

    @AfterEach
    void end() {
        telemetry.close();
    }

    @Test
    void aProcessedRecordIsTimedAndCounted() {
        unbroken.process(Records.record(), CONSUMER, record -> {});
        Attributes labels = labels("process")
                .put(Semconv.GROUP, "billing")
                .put(Semconv.SERVER_ADDRESS, "broker")
                .put(Semconv.SERVER_PORT, 9092L)
                .build();
        HistogramPointData duration = histogram(Semconv.PROCESS_DURATION);
        assertEquals(1, duration.getCount());
        assertEquals(Semconv.DURATION_BUCKETS, duration.getBoundaries());
        assertEquals(labels, duration.getAttributes());
        assertEquals(labels, histogram(Semconv.QUEUE_DURATION).getAttributes());
        assertEquals(1, counted(Semconv.CONSUMED_MESSAGES, labels));
        assertEquals("s", metric(Semconv.PROCESS_DURATION).getUnit());
    }

    @Test
    void aBlockThatIsClosedTwiceIsTimedOnce() {
        ProcessScope scope = unbroken.open(Records.record());
        scope.close();
        scope.close();
        assertEquals(1, histogram(Semconv.PROCESS_DURATION).getCount());
    }

    @Test
    void aFailureHasItsType() {
        assertThrows(
                IllegalStateException.class,
                () -> unbroken.process(Records.record(), record -> {
                    throw new IllegalStateException();
                }));
        assertEquals(
                labels("process")
                        .put(Semconv.ERROR_TYPE, "java.lang.IllegalStateException")
                        .build(),
                histogram(Semconv.PROCESS_DURATION).getAttributes());
    }

    @Test
    void aRecordOfABatchIsCountedOnce() {
        List<ConsumerRecord<String, String>> records = List.of(Records.record(), Records.record());
        try (ReceiveScope batch = unbroken.receive(records)) {
            records.forEach(record -> unbroken.process(record, given -> {}));
            unbroken.process(Records.record("another", 1), given -> {});
        }
        assertEquals(2, counted(Semconv.CONSUMED_MESSAGES, labels("poll").build()));
        assertEquals(
                1,
                counted(
                        Semconv.CONSUMED_MESSAGES,
                        labels("process").put(Semconv.DESTINATION, "another").build()));
        assertEquals(
                2,
                metric(Semconv.CONSUMED_MESSAGES).getLongSumData().getPoints().size());
    }

    @Test
    void aSentRecordIsTimedAndCounted() {
        MockProducer<String, String> client =
                new MockProducer<>(false, new RoundRobinPartitioner(), new StringSerializer(), new StringSerializer());
        unbroken.traced(client).send(new ProducerRecord<>("orders", "{}"));
        unbroken.traced(client).send(new ProducerRecord<>("orders", "{}"));
        client.completeNext();
        client.errorNext(new TimeoutException());
        Attributes sent = labels("send").build();
        Attributes failed = labels("send")
                .put(Semconv.ERROR_TYPE, TimeoutException.class.getName())
                .build();
        assertEquals(1, counted(Semconv.SENT_MESSAGES, sent));
        assertEquals(1, counted(Semconv.SENT_MESSAGES, failed));
        assertEquals(
                Set.of(sent, failed),
                metric(Semconv.OPERATION_DURATION).getHistogramData().getPoints().stream()
                        .map(HistogramPointData::getAttributes)
                        .collect(Collectors.toSet()));
    }

    @Test
    void eachMalformedFieldIsCounted() {
        unbroken.process(Records.record("traceparent", "broken", "baggage", "=,a=1,;"), record -> {});
        assertEquals(1, counted(Semconv.MALFORMED_CARRIERS, malformed("traceparent")));
        assertEquals(2, counted(Semconv.MALFORMED_CARRIERS, malformed("baggage")));
    }

    @Test
    void ofVeryManyValuesAsManyAreCountedAsAreLookedAt() {
        ConsumerRecord<String, String> record = Records.record();
        for (int number = 0; number < 70_000; number++) {
            record.headers().add("traceparent", null);
        }
        record.headers().add("baggage", "=,".repeat(1 << 19).getBytes(StandardCharsets.US_ASCII));
        unbroken.process(record, given -> {});
        assertEquals(128, counted(Semconv.MALFORMED_CARRIERS, malformed("traceparent")));
        assertEquals(65, counted(Semconv.MALFORMED_CARRIERS, malformed("baggage")));
    }

    @Test
    void tracerAndMeterHaveOneScope() {
        unbroken.process(Records.record(), record -> {});
        InstrumentationScopeInfo scope = telemetry.span().getInstrumentationScopeInfo();
        assertEquals(scope, metric(Semconv.PROCESS_DURATION).getInstrumentationScopeInfo());
        assertEquals(Tracing.VERSION, scope.getVersion());
    }

    @Test
    void whatDiffersBetweenRecordsIsOnNoMetric() {
        unbroken.process(Records.record("orders", 1), record -> {});
        unbroken.process(Records.record("orders", 2), record -> {});
        telemetry
                .metrics()
                .values()
                .forEach(metric -> assertEquals(1, metric.getData().getPoints().size(), metric::getName));
    }

    @Test
    void withoutSpansThereAreMetrics() {
        Unbroken quiet =
                Unbroken.create(telemetry.sdk(), Policy.builder().spans(false).build());
        quiet.process(Records.record(), record -> {});
        assertEquals(1, histogram(Semconv.PROCESS_DURATION).getCount());
    }

    private MetricData metric(String name) {
        return telemetry.metrics().get(name);
    }

    private HistogramPointData histogram(String name) {
        return metric(name).getHistogramData().getPoints().iterator().next();
    }

    private long counted(String name, Attributes labels) {
        return metric(name).getLongSumData().getPoints().stream()
                .filter(point -> point.getAttributes().equals(labels))
                .mapToLong(point -> point.getValue())
                .sum();
    }

    private static AttributesBuilder labels(String operation) {
        return Attributes.builder()
                .put(Semconv.SYSTEM, "kafka")
                .put(Semconv.OPERATION_NAME, operation)
                .put(Semconv.DESTINATION, "orders");
    }

    private static Attributes malformed(String field) {
        return Attributes.of(Semconv.SYSTEM, "kafka", Semconv.MALFORMED_FIELD, field);
    }
}
