package dev.unbroken.kafka;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * The block in which one record is processed: its own CONSUMER span is current, child of the span that created the
 * record, and the baggage is the record's. {@link Unbroken#open} opens it.
 */
public final class ProcessScope extends Block {

    private final ConsumerRecord<?, ?> record;
    private final Tracing tracing;
    private Span span = Span.getInvalid();
    private SpanContext origin;
    private Attributes labels;
    private long started;
    private boolean isOuters;

    private ProcessScope(Tracing tracing, ConsumerRecord<?, ?> record, Context ambient) {
        super(ambient);
        this.tracing = tracing;
        this.record = record;
    }

    static ProcessScope open(Tracing tracing, ConsumerRecord<?, ?> record, ConsumerFacts consumer) {
        Context ambient = Context.current();
        ProcessScope scope = new ProcessScope(tracing, record, ambient);
        try {
            ProcessScope outer = innermost(ambient);
            if (outer != null && outer.record == record) {
                scope.span = outer.span;
                scope.origin = outer.origin;
                scope.isOuters = true;
            } else if (tracing.policy().covers(record.topic())) {
                scope.start(ambient, consumer);
            }
        } catch (Throwable failure) {
            Failures.survived("process", failure);
        }
        return scope;
    }

    /** Returns the block of the record that is being processed in a context, or null. */
    static ProcessScope innermost(Context context) {
        for (Block block = of(context); block != null; block = block.outer()) {
            if (block instanceof ProcessScope scope) {
                return scope;
            }
        }
        return null;
    }

    boolean isOf(ConsumerRecord<?, ?> other) {
        return record == other;
    }

    /** Returns the creation context of the record, null when it carries none. */
    SpanContext origin() {
        return origin;
    }

    @Override
    public Span span() {
        return span;
    }

    @Override
    void end(Throwable error) {
        if (isOuters) {
            return;
        }
        if (labels != null) {
            tracing.instruments().processed(started, labels, error, context());
        }
        Tracing.end(span, error);
    }

    private void start(Context ambient, ConsumerFacts consumer) {
        Policy policy = tracing.policy();
        Context around = Tracing.around(ambient);
        Origin found = tracing.propagation().origin(record.headers(), policy.duplicates(), around);
        origin = found.creation();
        Context carried = found.on(around).with(this);
        if (tracing.instruments() != null) {
            measure(tracing.instruments(), consumer, found, carried);
        }
        boolean isChild = origin != null && policy.correlation() == Correlation.PARENT;
        Context parent = isChild || origin == null ? carried : carried.with(Span.getInvalid());
        Span own = tracing.start(Semconv.PROCESS, record.topic(), SpanKind.CONSUMER, parent, builder -> {
            Semconv.processing(record, consumer, policy, builder::setAttribute);
            addLinks(builder, found, Span.fromContext(ambient).getSpanContext());
        });
        if (own != null) {
            span = own;
        } else if (origin != null) {
            span = Span.wrap(origin);
        }
        attach(carried.with(span));
    }

    private void measure(Instruments instruments, ConsumerFacts consumer, Origin found, Context carried) {
        labels = instruments.labels(Semconv.PROCESS, record.topic(), consumer);
        instruments.malformed(found.malformed());
        if (!ReceiveScope.hasCounted(record, outer())) {
            instruments.consumed(1, labels);
        }
        instruments.queued(record, labels, carried);
        started = System.nanoTime();
    }

    /** Adds what created the record, and what is current around the block unless that is linked already. */
    private static void addLinks(SpanBuilder builder, Origin found, SpanContext ambient) {
        boolean isLinked = !ambient.isValid();
        if (found.creation() != null) {
            builder.addLink(found.creation());
            isLinked |= Tracing.isSame(found.creation(), ambient);
        }
        for (SpanContext other : found.others()) {
            builder.addLink(other);
            isLinked |= Tracing.isSame(other, ambient);
        }
        if (!isLinked) {
            builder.addLink(ambient);
        }
    }
}
