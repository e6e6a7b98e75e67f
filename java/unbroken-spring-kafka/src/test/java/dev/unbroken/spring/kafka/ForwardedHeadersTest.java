package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.unbroken.kafka.Policy;
import dev.unbroken.kafka.ProcessScope;
import dev.unbroken.kafka.Unbroken;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.junit.jupiter.api.Test;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.ListenerExecutionFailedException;

/** What a recoverer of dead letters writes on the wire. */
class ForwardedHeadersTest {

    private final Spans spans = new Spans();
    private final Unbroken unbroken = Unbroken.create(spans.openTelemetry());

    @Test
    void aDeadLetterSaysWhereItComesFromAndWhy() {
        Headers headers = deadLetter(Records.record("orders", 7), true);

        assertEquals(Records.TRACEPARENT, Records.value(headers, "unbroken-origin"));
        assertEquals("orders/0/7", Records.value(headers, "unbroken-source"));
        assertEquals("1", Records.value(headers, "unbroken-attempt"));
        assertEquals("java.lang.IllegalStateException: poison", Records.value(headers, "unbroken-error"));
    }

    @Test
    void threeHopsAreCountedInOneHeaderEach() {
        ConsumerRecord<String, String> record = Records.record("orders", 7);
        for (int hop = 1; hop <= 3; hop++) {
            Headers headers = deadLetter(record, true);
            assertEquals(Integer.toString(hop), Records.value(headers, "unbroken-attempt"));
            assertEquals(Records.TRACEPARENT, Records.value(headers, "unbroken-origin"));
            assertEquals(1, Records.values(headers, "traceparent").size());
            record = new ConsumerRecord<>("orders-dlt", 0, hop, "key", "value");
            headers.forEach(record.headers()::add);
        }
    }

    @Test
    void aProducerThatIsNotTracedSendsTheContextOnToo() {
        ConsumerRecord<String, String> record = Records.record("orders", 7);
        try (ProcessScope scope = unbroken.open(record)) {
            Headers headers = deadLetter(record, false);

            assertEquals(scope.span().getSpanContext().getSpanId(), Records.parentId(headers));
        }
    }

    @Test
    void theHeadersOfTheApplicationStay() {
        ConsumerRecord<String, String> record = Records.record("orders", 7);
        record.headers().add("tenant", new byte[] {'a'}).add("tenant", new byte[] {'b'});

        assertEquals(List.of("a", "b"), Records.values(deadLetter(record, true), "tenant"));
    }

    @Test
    void eachHeaderIsComparedOnceHoweverManyThereAre() {
        AtomicInteger compared = new AtomicInteger();
        ConsumerRecord<String, String> record = Records.record("orders", 7);
        for (int number = 0; number < 2_000; number++) {
            record.headers().add(new Counting("k" + number, compared));
        }

        Headers added = new ForwardedHeaders(unbroken).apply(record, new IllegalStateException("poison"));

        assertEquals(0, Records.values(added, "k0").size());
        assertTrue(compared.get() <= 2_000, compared::toString);
    }

    /** A header that counts what it is compared with. */
    private record Counting(String key, AtomicInteger compared) implements Header {

        @Override
        public byte[] value() {
            return new byte[0];
        }

        @Override
        public boolean equals(Object other) {
            compared.incrementAndGet();
            return this == other;
        }

        @Override
        public int hashCode() {
            return key.hashCode();
        }
    }

    @Test
    void theDeadLetterOfATopicThatIsLeftAloneHasNoHeadersOfOurs() {
        Policy policy = Policy.builder().ignore(List.of("orders")).build();
        Unbroken selective = Unbroken.create(spans.openTelemetry(), policy);
        Headers added = new ForwardedHeaders(selective).apply(Records.record("orders", 7), new IllegalStateException());

        assertEquals(0, added.toArray().length);
    }

    private Headers deadLetter(ConsumerRecord<String, String> record, boolean isTraced) {
        List<ProducerRecord<Object, Object>> sent = new ArrayList<>();
        Producer<Object, Object> producer = Producers.keeping(sent);
        ProducerFactory<Object, Object> factory = () -> isTraced ? unbroken.traced(producer) : producer;
        DeadLetterPublishingRecoverer recoverer = new DeadLetterPublishingRecoverer(
                new KafkaTemplate<>(factory), (failed, error) -> new TopicPartition("orders-dlt", 0));
        recoverer.addHeadersFunction(new ForwardedHeaders(unbroken));
        recoverer.accept(record, new ListenerExecutionFailedException("wrapped", new IllegalStateException("poison")));
        return sent.get(0).headers();
    }
}
