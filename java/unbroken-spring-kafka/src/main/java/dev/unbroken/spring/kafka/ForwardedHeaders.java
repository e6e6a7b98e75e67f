package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.Unbroken;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;

/**
 * The headers of a dead letter: where it comes from ({@code unbroken-origin}, {@code unbroken-source}), how often it was
 * forwarded ({@code unbroken-attempt}) and why ({@code unbroken-error}), and the context that it carries on.
 *
 * <p>To be added with {@code recoverer.addHeadersFunction(…)}. The headers replace those that the record has already.
 */
public final class ForwardedHeaders implements BiFunction<ConsumerRecord<?, ?>, Exception, Headers> {

    private static final String OURS = "unbroken-";

    private final Supplier<Unbroken> unbroken;

    /**
     * Returns the function.
     *
     * @param unbroken knows the context
     */
    public ForwardedHeaders(Unbroken unbroken) {
        this(UnbrokenRecordInterceptor.constant(Objects.requireNonNull(unbroken, "unbroken")));
    }

    ForwardedHeaders(Supplier<Unbroken> unbroken) {
        this.unbroken = unbroken;
    }

    /**
     * Returns what the recoverer adds to the headers of the record: nothing where its topic is left alone.
     *
     * @param record the record that has failed
     * @param exception why
     * @return headers of which each replaces those of its name
     */
    @Override
    public Headers apply(ConsumerRecord<?, ?> record, Exception exception) {
        Unbroken tracing = unbroken.get();
        Headers added = new RecordHeaders();
        if (!tracing.policy().covers(record.topic())) {
            return added;
        }
        Set<Header> known = new HashSet<>(Arrays.asList(record.headers().toArray()));
        for (Header header : tracing.forward(record, ListenerErrors.cause(exception))) {
            if (isOurs(header) || !known.contains(header)) {
                added.add(new DeadLetterPublishingRecoverer.SingleRecordHeader(header.key(), header.value()));
            }
        }
        return added;
    }

    private static boolean isOurs(Header header) {
        return header.key().toLowerCase(Locale.ROOT).startsWith(OURS);
    }
}
