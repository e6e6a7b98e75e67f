package dev.unbroken.spring.kafka;

/**
 * The failure of a record or batch whose end the container did not report: the listener threw an {@link Error}, or its
 * producer was fenced.
 */
final class RecordAbandoned extends RuntimeException {

    private static final long serialVersionUID = 1L;

    RecordAbandoned() {
        // The stack would show where the scope was found open, not where it was lost.
        super("the container did not report the end: an Error, or a fenced producer", null, false, false);
    }
}
