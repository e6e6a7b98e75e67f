package dev.unbroken.kafka;

import dev.unbroken.propagation.TraceParent;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.context.Context;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** The headers with which a record is published again, to a retry topic or a dead-letter topic. */
final class Forwarding {

    static final String ORIGIN = "unbroken-origin";
    static final String SOURCE = "unbroken-source";
    static final String ATTEMPT = "unbroken-attempt";
    static final String ERROR = "unbroken-error";

    /** Octets of {@link #ERROR} at most. */
    private static final int MAX_ERROR_LENGTH = 1024;

    private static final int MAX_DIGITS = 9;

    private Forwarding() {}

    /** Returns the headers of a record as they were, then the context, and where the record comes from. */
    static Headers headers(Tracing tracing, ConsumerRecord<?, ?> record, Throwable error) {
        Fields fields;
        try {
            fields = fields(tracing, record, error);
        } catch (Throwable failure) {
            Failures.survived("forward", failure);
            fields = new Fields();
        }
        return fields.behind(record.headers());
    }

    private static Fields fields(Tracing tracing, ConsumerRecord<?, ?> record, Throwable error) {
        Propagation propagation = tracing.propagation();
        Context current = Context.current();
        ProcessScope scope = ProcessScope.innermost(current);
        Origin origin = propagation.origin(record.headers(), tracing.policy().duplicates(), Context.root());
        boolean isInside = scope != null && scope.isOf(record);
        Fields fields = propagation.fields(isInside ? current : origin.on(Context.root()), null);
        propagation.replaceStale(fields);
        byte[] first = firstOrigin(record.headers(), origin.creation());
        if (first != null) {
            fields.put(ORIGIN, first);
        }
        fields.replace(ORIGIN);
        String position = record.topic() + '/' + record.partition() + '/' + record.offset();
        fields.put(SOURCE, position.getBytes(StandardCharsets.UTF_8));
        String attempt = Long.toString(attempts(record.headers()) + 1);
        fields.put(ATTEMPT, attempt.getBytes(StandardCharsets.US_ASCII));
        if (error != null) {
            fields.put(ERROR, described(error));
        }
        fields.replace(ERROR);
        return fields;
    }

    /** Returns the oldest origin that the headers name, else the creation context; null when there is neither. */
    private static byte[] firstOrigin(Iterable<Header> headers, SpanContext creation) {
        for (Header header : headers) {
            if (ORIGIN.equalsIgnoreCase(header.key())) {
                TraceParent known = TraceParent.parse(header.value());
                if (known != null) {
                    return known.octets();
                }
                break;
            }
        }
        if (creation == null) {
            return null;
        }
        return TraceParent.format(
                creation.getTraceId(),
                creation.getSpanId(),
                creation.getTraceFlags().asByte());
    }

    /**
     * Returns the attempts so far, by the last header that counts them; what is no count of one to nine digits is
     * none.
     */
    private static long attempts(Iterable<Header> headers) {
        byte[] last = null;
        for (Header header : headers) {
            if (ATTEMPT.equalsIgnoreCase(header.key())) {
                last = header.value();
            }
        }
        if (last == null || last.length == 0 || last.length > MAX_DIGITS) {
            return 0;
        }
        long count = 0;
        for (byte octet : last) {
            if (octet < '0' || octet > '9') {
                return 0;
            }
            count = 10 * count + octet - '0';
        }
        return count;
    }

    private static byte[] described(Throwable error) {
        byte[] octets = Semconv.errorText(error, Semconv.errorType(error)).getBytes(StandardCharsets.UTF_8);
        if (octets.length <= MAX_ERROR_LENGTH) {
            return octets;
        }
        int length = MAX_ERROR_LENGTH;
        while ((octets[length] & 0xc0) == 0x80) { // inside of a character
            length--;
        }
        return Arrays.copyOf(octets, length);
    }
}
