package dev.unbroken.bench;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.instrumentation.kafkaclients.v2_6.KafkaTelemetry;
import org.apache.kafka.clients.producer.Producer;

/** Who traces a producer: one span for each record, that ends with the acknowledgement. */
public enum Producing {
    /** Nobody. */
    BARE {
        @Override
        Producer<String, String> traced(Producer<String, String> producer, Tracing tracing) {
            return producer;
        }
    },
    /** OpenTelemetry's instrumentation of kafka-clients. */
    OPENTELEMETRY {
        @Override
        Producer<String, String> traced(Producer<String, String> producer, Tracing tracing) {
            return KafkaTelemetry.create(tracing.sdk).wrap(producer);
        }
    },
    /** This library. */
    UNBROKEN {
        @Override
        Producer<String, String> traced(Producer<String, String> producer, Tracing tracing) {
            return Unbroken.create(tracing.sdk).traced(producer);
        }
    };

    abstract Producer<String, String> traced(Producer<String, String> producer, Tracing tracing);
}
