package dev.unbroken.kafka;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextKey;
import io.opentelemetry.context.ImplicitContextKeyed;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * One record being sent: what to give to the client, and its span, open until {@link #end}.
 *
 * @param <K> type of the key
 * @param <V> type of the value
 */
final class Sending<K, V> implements ImplicitContextKeyed {

    private static final ContextKey<Sending<?, ?>> KEY = ContextKey.named("unbroken-send");

    private final Tracing tracing;
    private final ProducerRecord<K, V> given;
    private final AtomicBoolean ended = new AtomicBoolean();
    private final long started = System.nanoTime();
    private ProducerRecord<K, V> record;
    private Context context;
    private Attributes labels;
    private Span span = Span.getInvalid();

    private Sending(Tracing tracing, ProducerRecord<K, V> given, Context context) {
        this.tracing = tracing;
        this.given = given;
        this.record = given;
        this.context = context;
    }

    static <K, V> Sending<K, V> begin(Tracing tracing, ProducerRecord<K, V> record, ProducerFacts producer) {
        Context ambient = Context.current();
        Sending<K, V> sending = new Sending<>(tracing, record, ambient);
        try {
            Sending<?, ?> outer = ambient.get(KEY);
            if (outer != null && outer.covers(record, ambient)) {
                sending.join(ambient);
            } else if (tracing.policy().covers(record.topic())) {
                sending.start(ambient, producer);
            }
        } catch (Throwable failure) {
            Failures.survived("send", failure);
        }
        return sending;
    }

    /** Returns the record for the client: a new one with the context, the application's own when nothing is traced. */
    ProducerRecord<K, V> record() {
        return record;
    }

    /** Returns the context in which the span is current. */
    Context context() {
        return context;
    }

    /** Returns whether anything waits for {@link #end}. */
    boolean isObserved() {
        return span.isRecording() || labels != null;
    }

    /** Ends the span, once, with where the broker has put the record, or with the error. Never raises. */
    void end(RecordMetadata metadata, Throwable error) {
        if (!isObserved() || !ended.compareAndSet(false, true)) {
            return;
        }
        if (labels != null) {
            tracing.instruments().sent(started, labels, error, context);
        }
        try {
            if (error == null && metadata != null && span.isRecording()) {
                tell(metadata);
            }
        } catch (Throwable failure) {
            Failures.survived("send", failure);
        }
        Tracing.end(span, error);
    }

    @Override
    public Context storeInContext(Context context) {
        return context.with(KEY, this);
    }

    /** Returns whether a producer beneath this one sends the same record: one span and one context for it. */
    private boolean covers(ProducerRecord<?, ?> other, Context ambient) {
        return other.topic().equals(given.topic()) && Span.fromContext(ambient) == span && span.isRecording();
    }

    /** Sends beneath the span of the same record, with its context; the headers may hold it already. */
    private void join(Context ambient) {
        Origin origin = origin(Context.root());
        if (origin.creation() == null) {
            record = with(tracing.propagation().fields(around(origin, ambient), null));
        }
    }

    private void start(Context ambient, ProducerFacts producer) {
        SpanContext current = Span.fromContext(ambient).getSpanContext();
        Origin origin = origin(ambient);
        Context around = around(origin, ambient);
        SpanContext kept = isForeign(origin.creation(), current, ambient) ? origin.creation() : null;
        if (tracing.instruments() != null) {
            labels = tracing.instruments().labels(Semconv.SEND, given.topic(), producer);
        }
        // The context on the wire is this span's own: PRODUCER. The application's own was kept: CLIENT, linked to it.
        SpanKind kind = kept == null ? SpanKind.PRODUCER : SpanKind.CLIENT;
        Span own = tracing.start(Semconv.SEND, given.topic(), kind, around, builder -> {
            Semconv.sending(given, producer, tracing.policy(), builder::setAttribute);
            if (kept != null) {
                builder.addLink(kept);
            }
        });
        if (own != null) {
            span = own;
            context = around.with(own).with(this);
        }
        if (kept == null) {
            record = with(tracing.propagation().fields(around, own));
        }
    }

    /**
     * Returns the context in which a record with such headers is sent: without a current span that of the headers, else
     * the current one. Baggage that the headers hold without a context survives unless baggage is current.
     */
    private static Context around(Origin origin, Context ambient) {
        if (origin.creation() != null) {
            return Span.fromContext(ambient).getSpanContext().isValid() ? ambient : origin.on(ambient);
        }
        boolean isOrigins =
                Baggage.fromContext(ambient).isEmpty() && !origin.baggage().isEmpty();
        return isOrigins ? ambient.with(origin.baggage()) : ambient;
    }

    private Origin origin(Context around) {
        return tracing.propagation().origin(given.headers(), tracing.policy().duplicates(), around);
    }

    private ProducerRecord<K, V> with(Fields fields) {
        if (fields.isEmpty()) {
            return given;
        }
        ProducerRecord<K, V> carrying =
                new ProducerRecord<>(given.topic(), given.partition(), given.timestamp(), given.key(), given.value());
        fields.behind(given.headers(), carrying.headers());
        return carrying;
    }

    private void tell(RecordMetadata metadata) {
        if (metadata.partition() >= 0) {
            span.setAttribute(Semconv.PARTITION, Integer.toString(metadata.partition()));
        }
        if (metadata.hasOffset()) { // not with acks=0
            span.setAttribute(Semconv.OFFSET, metadata.offset());
        }
    }

    /**
     * Returns whether the headers hold a creation context that the application put there on purpose. It is not when it
     * is of the current trace, or the origin of the record being processed: headers passed on.
     */
    private static boolean isForeign(SpanContext carried, SpanContext current, Context ambient) {
        if (carried == null || !current.isValid() || carried.getTraceId().equals(current.getTraceId())) {
            return false;
        }
        ProcessScope scope = ProcessScope.innermost(ambient);
        return scope == null || scope.origin() == null || !Tracing.isSame(scope.origin(), carried);
    }
}
