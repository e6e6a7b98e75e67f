package dev.unbroken.interop;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;

/** The bank, which refuses one order. */
public final class Card {

    private Card() {}

    /**
     * Charges the card of an order, in a span of its own.
     *
     * @param tracer makes the span
     * @param order the order
     * @param poison the order that is refused
     * @throws IllegalStateException the bank has refused it
     */
    public static void charge(Tracer tracer, String order, String poison) {
        Span span = tracer.spanBuilder("charge card")
                .setAttribute("order.id", order)
                .startSpan();
        try {
            if (order.equals(poison)) {
                span.setStatus(StatusCode.ERROR, "refused");
                throw new IllegalStateException("the bank has refused order " + order);
            }
        } finally {
            span.end();
        }
    }
}
