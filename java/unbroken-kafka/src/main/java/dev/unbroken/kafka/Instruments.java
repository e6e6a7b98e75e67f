package dev.unbroken.kafka;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.MeterProvider;
import io.opentelemetry.context.Context;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.record.TimestampType;

/** The instruments of one OpenTelemetry; durations in seconds. None of the methods raises. */
final class Instruments {

    private static final int MAX_REMEMBERED = 1024;

    private final Map<Series, Attributes> remembered = new ConcurrentHashMap<>();
    private final DoubleHistogram processDuration;
    private final DoubleHistogram operationDuration;
    private final DoubleHistogram queueDuration;
    private final LongCounter sent;
    private final LongCounter consumed;
    private final LongCounter malformed;

    private Instruments(Meter meter) {
        processDuration = seconds(meter, Semconv.PROCESS_DURATION, "Duration of processing a message.");
        operationDuration =
                seconds(meter, Semconv.OPERATION_DURATION, "Duration of an operation of a messaging client.");
        queueDuration = seconds(
                meter, Semconv.QUEUE_DURATION, "Time from a message's timestamp to the start of its processing.");
        sent = counter(meter, Semconv.SENT_MESSAGES, "{message}", "Messages that a producer tried to send.");
        consumed = counter(meter, Semconv.CONSUMED_MESSAGES, "{message}", "Messages given to the application.");
        malformed = counter(meter, Semconv.MALFORMED_CARRIERS, "{field}", "Propagation fields that were malformed.");
    }

    /** Returns the instruments of an OpenTelemetry, null when it has no meter provider that records. */
    static Instruments of(OpenTelemetry openTelemetry) {
        try {
            Meter meter = openTelemetry
                    .getMeterProvider()
                    .meterBuilder(Tracing.SCOPE)
                    .setInstrumentationVersion(Tracing.VERSION)
                    .setSchemaUrl(Semconv.SCHEMA_URL)
                    .build();
            Meter noop = MeterProvider.noop().get(Tracing.SCOPE);
            return meter.getClass() == noop.getClass() ? null : new Instruments(meter);
        } catch (Throwable failure) { // a provider that knows less than the API asks for
            Failures.survived("the making of metrics", failure);
            return null;
        }
    }

    /** Returns what goes on the metrics of the records of a consumer; the topic may be null. */
    Attributes labels(String operation, String topic, ConsumerFacts consumer) {
        return labels(new Series(operation, topic, consumer.group(), consumer.serverAddress(), consumer.serverPort()));
    }

    /** Returns what goes on the metrics of the records of a producer. */
    Attributes labels(String operation, String topic, ProducerFacts producer) {
        return labels(new Series(operation, topic, null, producer.serverAddress(), producer.serverPort()));
    }

    /** Records that a record has been processed, since a reading of {@link System#nanoTime}. */
    void processed(long started, Attributes labels, Throwable error, Context context) {
        record(processDuration, secondsSince(started), Semconv.failed(labels, error), context);
    }

    /** Records that a record was sent, or was not. */
    void sent(long started, Attributes labels, Throwable error, Context context) {
        Attributes outcome = Semconv.failed(labels, error);
        record(operationDuration, secondsSince(started), outcome, context);
        add(sent, 1, outcome);
    }

    /** Counts records that the application was given. */
    void consumed(long count, Attributes labels) {
        add(consumed, count, labels);
    }

    /** Records how long a record has waited; nothing when it does not say since when. */
    void queued(ConsumerRecord<?, ?> record, Attributes labels, Context context) {
        if (record.timestampType() != TimestampType.NO_TIMESTAMP_TYPE && record.timestamp() >= 0) {
            double waited = Math.max(0, System.currentTimeMillis() - record.timestamp()) / 1000.0;
            record(queueDuration, waited, labels, context);
        }
    }

    /** Counts the malformed fields of a carrier, each once with its number. */
    void malformed(Map<String, Integer> fields) {
        fields.forEach((field, times) ->
                add(malformed, times, Attributes.of(Semconv.SYSTEM, Semconv.KAFKA, Semconv.MALFORMED_FIELD, field)));
    }

    /** Of the series that were seen first the labels are made once. */
    private Attributes labels(Series series) {
        Attributes labels = remembered.get(series);
        if (labels == null) {
            labels =
                    Semconv.labels(series.operation(), series.topic(), series.group(), series.address(), series.port());
            if (remembered.size() < MAX_REMEMBERED) {
                remembered.put(series, labels);
            }
        }
        return labels;
    }

    private record Series(String operation, String topic, String group, String address, Integer port) {}

    private static void record(DoubleHistogram histogram, double value, Attributes labels, Context context) {
        try {
            histogram.record(value, labels, context);
        } catch (Throwable failure) {
            Failures.survived("a metric", failure);
        }
    }

    private static void add(LongCounter counter, long amount, Attributes labels) {
        try {
            counter.add(amount, labels);
        } catch (Throwable failure) {
            Failures.survived("a metric", failure);
        }
    }

    private static double secondsSince(long started) {
        return (System.nanoTime() - started) / (double) TimeUnit.SECONDS.toNanos(1);
    }

    private static DoubleHistogram seconds(Meter meter, String name, String what) {
        return meter.histogramBuilder(name)
                .setUnit("s")
                .setDescription(what)
                .setExplicitBucketBoundariesAdvice(Semconv.DURATION_BUCKETS)
                .build();
    }

    private static LongCounter counter(Meter meter, String name, String unit, String what) {
        return meter.counterBuilder(name).setUnit(unit).setDescription(what).build();
    }
}
