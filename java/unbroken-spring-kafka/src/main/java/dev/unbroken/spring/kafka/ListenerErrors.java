package dev.unbroken.spring.kafka;

import org.springframework.kafka.listener.KafkaBackoffException;
import org.springframework.kafka.listener.ListenerExecutionFailedException;
import org.springframework.kafka.listener.TimestampedException;

/** What a listener threw, without what spring-kafka wraps around it. */
final class ListenerErrors {

    private ListenerErrors() {}

    /**
     * Returns the application's own exception.
     *
     * @param error what the container reports
     * @return its cause where the container has wrapped one, else {@code error}
     */
    static Throwable cause(Throwable error) {
        Throwable found = error;
        while (isWrapper(found) && found.getCause() != null) {
            found = found.getCause();
        }
        return found;
    }

    /**
     * Returns whether a record was not processed at all, because its time in a retry topic has not come.
     *
     * @param error what the container reports
     * @return true where a {@link KafkaBackoffException} is the reason
     */
    static boolean isBackoff(Throwable error) {
        return cause(error) instanceof KafkaBackoffException;
    }

    private static boolean isWrapper(Throwable error) {
        return error instanceof ListenerExecutionFailedException || error instanceof TimestampedException;
    }
}
