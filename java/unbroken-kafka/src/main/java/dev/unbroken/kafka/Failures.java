package dev.unbroken.kafka;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What becomes of failures of the telemetry itself: they must not reach the application. */
final class Failures {

    private static final Logger LOGGER = LoggerFactory.getLogger("unbroken");
    private static final Set<String> LOGGED = ConcurrentHashMap.newKeySet();

    private Failures() {}

    /** Logs a failure, once per place and class; one of the virtual machine (no memory, no stack) goes on. */
    static void survived(String where, Throwable failure) {
        if (failure instanceof VirtualMachineError fatal) {
            throw fatal;
        }
        if (LOGGED.add(where + failure.getClass().getName())) {
            LOGGER.error("telemetry failed in {}; the message goes on without it (logged once)", where, failure);
        }
    }
}
