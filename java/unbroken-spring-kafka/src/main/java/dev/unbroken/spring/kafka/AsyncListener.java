package dev.unbroken.spring.kafka;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * Lets the span of a record last until the future of its listener is done.
 *
 * <p>A container reports success when the listener method returns, whatever becomes of the future that it returns. A
 * listener that wants its span to end with the future returns it through {@link #hold}:
 *
 * <pre>{@code
 * @KafkaListener(topics = "orders")
 * CompletableFuture<Void> handle(Order order) {
 *     return AsyncListener.hold(service.place(order));
 * }
 * }</pre>
 */
public final class AsyncListener {

    private AsyncListener() {}

    /**
     * Returns a future that is completed as another is, in the block of the record: what the container does with the
     * result (it sends a reply) is in the trace of the record, and an exception is on its span, which ends then.
     *
     * <p>To be called by the listener, on the container's thread. Elsewhere, and where no interceptor is in place, it
     * returns {@code future}.
     *
     * @param <T> type of the result
     * @param future what the listener would return without it; of a {@code Mono} its {@code toFuture()}
     * @return the future to return from the listener
     */
    public static <T> CompletableFuture<T> hold(CompletableFuture<T> future) {
        RecordBlock block = RecordBlock.current();
        if (block == null || future == null) { // a double of a service may return null, as it may without this
            return future;
        }
        block.await();
        CompletableFuture<T> held = new CompletableFuture<>();
        future.whenComplete((result, error) -> {
            try {
                block.context().wrap(() -> complete(held, result, error)).run();
            } finally {
                block.completed(cause(error));
            }
        });
        return held;
    }

    private static <T> void complete(CompletableFuture<T> held, T result, Throwable error) {
        if (error == null) {
            held.complete(result);
        } else {
            held.completeExceptionally(error);
        }
    }

    private static Throwable cause(Throwable error) {
        return error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
    }
}
