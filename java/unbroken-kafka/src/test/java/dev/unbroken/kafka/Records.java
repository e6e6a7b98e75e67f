package dev.unbroken.kafka;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/** Records as a consumer hands them out. */
final class Records {

    static final String TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687";
    static final String SPAN = "3c7e19ab5d02f468";
    static final String TRACEPARENT = "00-" + TRACE + "-" + SPAN + "-01";
    static final String OTHER_TRACE = "7e2b90f4d1c3485ea6b7c8d9e0f10213";
    static final String OTHER_TRACEPARENT = "00-" + OTHER_TRACE + "-91b5d3f7082a4c6e-01";

    private Records() {}

    /** Returns a record of the topic orders, with headers in turns of name and value. */
    static ConsumerRecord<String, String> record(String... headers) {
        return record("orders", 42, headers);
    }

    static ConsumerRecord<String, String> record(String topic, long offset, String... headers) {
        return new ConsumerRecord<>(
                topic,
                3,
                offset,
                System.currentTimeMillis(),
                TimestampType.CREATE_TIME,
                -1,
                -1,
                "order-17",
                "{}",
                headers(headers),
                Optional.empty());
    }

    static RecordHeaders headers(String... headers) {
        RecordHeaders made = new RecordHeaders();
        for (int position = 0; position < headers.length; position += 2) {
            made.add(headers[position], headers[position + 1].getBytes(StandardCharsets.UTF_8));
        }
        return made;
    }

    /** Returns the values of all headers of a name, in any case. */
    static List<String> values(Iterable<Header> headers, String name) {
        List<String> values = new ArrayList<>();
        for (Header header : headers) {
            if (header.key().equalsIgnoreCase(name)) {
                values.add(new String(header.value(), StandardCharsets.UTF_8));
            }
        }
        return values;
    }
}
