package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.LinkData;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReceiveTest {

    private final Telemetry telemetry = Telemetry.create();
    private final Unbroken unbroken = telemetry.unbroken();
    private final List<ConsumerRecord<String, String>> records = List.of(
            Records.record("orders", 1, "traceparent", Records.TRACEPARENT),
            Records.record("orders", 2),
            Records.record("orders", 3, "traceparent", Records.OTHER_TRACEPARENT));

    @AfterEach
    void theContextIsCleanAfterwards() {
        telemetry.close();
        assertSame(Context.root(), Context.current());
    }

    @Test
    void theSpanOfTheBatchIsLinkedToEachCreationContext() {
        unbroken.receive(records).close();
        SpanData span = telemetry.span("poll orders");
        assertEquals(SpanKind.CLIENT, span.getKind());
        assertEquals(3, span.getAttributes().get(Semconv.MESSAGE_COUNT));
        assertEquals(
                List.of(Records.TRACE, Records.OTHER_TRACE),
                span.getLinks().stream()
                        .map(link -> link.getSpanContext().getTraceId())
                        .toList());
    }

    @Test
    void whatDiffersBetweenTheRecordsIsOnTheLinks() {
        unbroken.receive(records).close();
        LinkData link = telemetry.span().getLinks().get(1);
        assertEquals(3, link.getAttributes().get(Semconv.OFFSET));
        assertEquals("3", link.getAttributes().get(Semconv.PARTITION));
        assertEquals("order-17", link.getAttributes().get(Semconv.KEY));
    }

    @Test
    void eachRecordOfABatchIsProcessedInItsOwnTrace() {
        try (ReceiveScope batch = unbroken.receive(records)) {
            for (ConsumerRecord<String, String> record : records) {
                unbroken.process(record, given -> {});
            }
            assertSame(batch.span(), Span.current());
        }
        List<SpanData> spans = telemetry.spans();
        assertEquals(4, spans.size());
        assertEquals(4, spans.stream().map(SpanData::getTraceId).distinct().count());
    }

    @Test
    void recordsOfSeveralTopicsHaveNoDestination() {
        unbroken.receive(List.of(Records.record("orders", 1), Records.record("payments", 1)))
                .close();
        assertNull(telemetry.span("poll").getAttributes().get(Semconv.DESTINATION));
    }

    @Test
    void noRecordsNoSpan() {
        try (ReceiveScope batch = unbroken.receive(List.of())) {
            assertSame(Context.root(), batch.context());
        }
        assertEquals(0, telemetry.spans().size());
    }

    @Test
    void aFailedBatchIsMarked() {
        ReceiveScope batch = unbroken.receive(records);
        batch.fail(new IllegalStateException());
        batch.close();
        assertEquals(StatusCode.ERROR, telemetry.span().getStatus().getStatusCode());
    }

    @Test
    void theConsumersFactsAreOnTheSpan() {
        unbroken.receive(records, new ConsumerFacts("billing", "", "broker", 9092))
                .close();
        SpanData span = telemetry.span();
        assertEquals("billing", span.getAttributes().get(Semconv.GROUP));
        assertEquals(9092, span.getAttributes().get(Semconv.SERVER_PORT));
        assertNull(span.getAttributes().get(Semconv.CLIENT_ID));
    }
}
