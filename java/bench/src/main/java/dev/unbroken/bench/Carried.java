package dev.unbroken.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Which fields the headers of a record carry, after three of the application. */
public enum Carried {
    /** A sampled parent. */
    SAMPLED("01"),
    /** A parent that is not sampled: nothing is recorded. */
    UNSAMPLED("00"),
    /** A sampled parent with all that W3C knows. */
    EVERYTHING(
            "01",
            "tracestate",
            "vendor=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "baggage",
            "user.id=17,tenant=acme,region=eu-west");

    static final String TOPIC = "orders";
    static final String KEY = "order-17";
    static final String VALUE = "x".repeat(100);

    private static final RecordHeaders APPLICATION = applicationHeaders();

    private final Map<String, String> fields = new LinkedHashMap<>();
    private final Header[] headers;

    Carried(String flags, String... others) {
        fields.put("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags);
        for (int at = 0; at < others.length; at += 2) {
            fields.put(others[at], others[at + 1]);
        }
        RecordHeaders all = applicationHeaders();
        fields.forEach((name, value) -> all.add(name, value.getBytes(UTF_8)));
        headers = all.toArray();
    }

    /** Returns the fields of the parent, by name. */
    Map<String, String> fields() {
        return fields;
    }

    /** Returns how many recorded spans one message makes. */
    int spans() {
        return this == UNSAMPLED ? 0 : 1;
    }

    /** Returns new headers with the fields, as a consumer reads them. */
    RecordHeaders headers() {
        return new RecordHeaders(headers);
    }

    /** Returns a new record, as each one is that a consumer returns. */
    ConsumerRecord<String, String> record(long offset) {
        return new ConsumerRecord<>(
                TOPIC,
                0,
                offset,
                1_700_000_000_000L,
                TimestampType.CREATE_TIME,
                KEY.length(),
                VALUE.length(),
                KEY,
                VALUE,
                headers(),
                Optional.empty());
    }

    /** Returns new headers of an application, without any field. */
    static RecordHeaders applicationHeaders() {
        RecordHeaders headers = new RecordHeaders();
        for (int number = 0; number < 3; number++) {
            headers.add(new RecordHeader("x-header-" + number, "a value of some length".getBytes(UTF_8)));
        }
        return headers;
    }

    /** Returns a new record of an application, to send. */
    static ProducerRecord<String, String> toSend() {
        return new ProducerRecord<>(TOPIC, null, KEY, VALUE, APPLICATION);
    }
}
