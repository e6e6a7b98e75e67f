package dev.unbroken.kafka;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * The block in which the records of one poll are handled: one CLIENT span, child of what is current, linked to the
 * creation context of each record. A record that is processed inside still has its own trace. {@link Unbroken#receive}
 * opens it.
 */
public final class ReceiveScope extends Block {

    private final Tracing tracing;
    private Span span = Span.getInvalid();
    private Set<ConsumerRecord<?, ?>> counted = Set.of();

    private ReceiveScope(Tracing tracing, Context ambient) {
        super(ambient);
        this.tracing = tracing;
    }

    static ReceiveScope open(
            Tracing tracing, Iterable<? extends ConsumerRecord<?, ?>> records, ConsumerFacts consumer) {
        Context ambient = Context.current();
        ReceiveScope scope = new ReceiveScope(tracing, ambient);
        try {
            List<ConsumerRecord<?, ?>> covered = new ArrayList<>();
            for (ConsumerRecord<?, ?> record : records) {
                if (tracing.policy().covers(record.topic())) {
                    covered.add(record);
                }
            }
            if (!covered.isEmpty()) {
                scope.start(ambient, covered, consumer);
            }
        } catch (Throwable failure) {
            Failures.survived("receive", failure);
        }
        return scope;
    }

    /** Returns whether the batch that is handled in a block, or around it, has counted a record as consumed. */
    static boolean hasCounted(ConsumerRecord<?, ?> record, Block around) {
        for (Block block = around; block != null; block = block.outer()) {
            if (block instanceof ReceiveScope scope) {
                return scope.counted.contains(record);
            }
        }
        return false;
    }

    @Override
    public Span span() {
        return span;
    }

    @Override
    void end(Throwable error) {
        Tracing.end(span, error);
    }

    private void start(Context ambient, List<ConsumerRecord<?, ?>> records, ConsumerFacts consumer) {
        String topic = topicOf(records);
        Instruments instruments = tracing.instruments();
        if (instruments != null) {
            counted = Collections.newSetFromMap(new IdentityHashMap<>(records.size()));
            counted.addAll(records);
            instruments.consumed(records.size(), instruments.labels(Semconv.POLL, topic, consumer));
        }
        Context around = ambient.with(this);
        Span own = tracing.start(Semconv.POLL, topic, SpanKind.CLIENT, around, builder -> {
            Semconv.receiving(topic, records.size(), consumer, builder::setAttribute);
            records.forEach(record -> addLinks(builder, record));
        });
        if (own != null) {
            span = own;
            around = around.with(own);
        }
        attach(around);
    }

    private void addLinks(SpanBuilder builder, ConsumerRecord<?, ?> record) {
        Policy policy = tracing.policy();
        Origin origin = tracing.propagation().origin(record.headers(), policy.duplicates(), Context.root());
        if (origin.creation() == null) {
            return;
        }
        Attributes varying = Semconv.varying(record, policy);
        builder.addLink(origin.creation(), varying);
        for (SpanContext other : origin.others()) {
            builder.addLink(other, varying);
        }
    }

    /** Returns the topic of all records, null when there are several. */
    private static String topicOf(List<ConsumerRecord<?, ?>> records) {
        String topic = records.get(0).topic();
        return records.stream().allMatch(record -> record.topic().equals(topic)) ? topic : null;
    }
}
