package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.OpenTelemetry;
import java.util.function.Supplier;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;

/**
 * Asks for the application's {@link Unbroken} when it is used first, on whatever thread that is.
 *
 * <p>Where it cannot be had, the first use logs why, and records are handled without telemetry.
 */
final class FirstUse implements Supplier<Unbroken> {

    private static final Log log = LogFactory.getLog(FirstUse.class);

    private final Supplier<Unbroken> source;
    private volatile Unbroken found;

    FirstUse(Supplier<Unbroken> source) {
        this.source = source;
    }

    @Override
    public Unbroken get() {
        Unbroken known = found;
        return known == null ? first() : known;
    }

    /** Takes no lock: the thread that has Spring's lock on its beans may ask at the same time as a container's. */
    private Unbroken first() {
        try {
            found = source.get();
        } catch (RuntimeException error) {
            log.error("unbroken: no telemetry, as its bean cannot be made", error);
            found = Unbroken.create(OpenTelemetry.noop());
        }
        return found;
    }
}
