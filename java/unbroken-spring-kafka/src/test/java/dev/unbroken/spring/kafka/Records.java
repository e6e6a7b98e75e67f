package dev.unbroken.spring.kafka;

import io.opentelemetry.sdk.trace.data.SpanData;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Records as a consumer returns them. */
final class Records {

    static final String TRACE = "0af7651916cd43dd8448eb211c80319c";
    static final String PARENT = "b7ad6b7169203331";
    static final String TRACEPARENT = "00-" + TRACE + "-" + PARENT + "-01";

    private Records() {}

    /** Returns a record that was created in the trace of {@link #TRACEPARENT}. */
    static ConsumerRecord<String, String> record(String topic, long offset) {
        ConsumerRecord<String, String> record = new ConsumerRecord<>(topic, 0, offset, "key", "value");
        record.headers().add("traceparent", TRACEPARENT.getBytes(StandardCharsets.US_ASCII));
        return record;
    }

    /** Returns all values of a header, in order. */
    static List<String> values(Headers headers, String name) {
        List<String> found = new ArrayList<>();
        for (Header header : headers) {
            if (header.key().equalsIgnoreCase(name)) {
                found.add(new String(header.value(), StandardCharsets.UTF_8));
            }
        }
        return found;
    }

    static String value(Headers headers, String name) {
        List<String> found = values(headers, name);
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " headers " + name + ": " + found);
        }
        return found.get(0);
    }

    /** Returns the span id in the only traceparent. */
    static String parentId(Headers headers) {
        return value(headers, "traceparent").split("-")[2];
    }

    static String traceparent(SpanData span) {
        return "00-" + span.getTraceId() + "-" + span.getSpanId() + "-"
                + span.getSpanContext().getTraceFlags().asHex();
    }
}
