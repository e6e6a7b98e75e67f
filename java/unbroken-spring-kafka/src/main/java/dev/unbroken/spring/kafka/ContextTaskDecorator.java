package dev.unbroken.spring.kafka;

import io.opentelemetry.context.Context;
import org.springframework.core.task.TaskDecorator;

/**
 * Runs each task of a Spring executor in the context in which it was submitted: what a listener hands to an
 * {@code @Async} method stays in the trace of its record.
 */
public final class ContextTaskDecorator implements TaskDecorator {

    /** Returns a decorator; it has no state. */
    public ContextTaskDecorator() {
        // Nothing to set: the context is asked for at each task.
    }

    @Override
    public Runnable decorate(Runnable task) {
        return Context.current().wrap(task);
    }
}
