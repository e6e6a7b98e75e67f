package dev.unbroken.bench;

import dev.unbroken.kafka.Unbroken;
import dev.unbroken.spring.kafka.UnbrokenRecordInterceptor;
import io.opentelemetry.instrumentation.spring.kafka.v2_7.SpringKafkaTelemetry;
import org.springframework.kafka.listener.RecordInterceptor;

/** Who intercepts the records of a listener. */
public enum Interception {
    /** Nobody. */
    BARE {
        @Override
        RecordInterceptor<String, String> interceptor(Tracing tracing) {
            return (record, consumer) -> record;
        }
    },
    /** OpenTelemetry's instrumentation of Spring, one span for each record: its telemetry of receiving is off. */
    OPENTELEMETRY {
        @Override
        RecordInterceptor<String, String> interceptor(Tracing tracing) {
            return SpringKafkaTelemetry.builder(tracing.sdk)
                    .setMessagingReceiveTelemetryEnabled(false)
                    .build()
                    .createRecordInterceptor();
        }
    },
    /** This library. */
    UNBROKEN {
        @Override
        RecordInterceptor<String, String> interceptor(Tracing tracing) {
            return new UnbrokenRecordInterceptor<>(Unbroken.create(tracing.sdk));
        }
    };

    abstract RecordInterceptor<String, String> interceptor(Tracing tracing);

    /** Returns how many recorded spans one record makes. */
    int spans(Carried carried) {
        return this == BARE ? 0 : carried.spans();
    }
}
