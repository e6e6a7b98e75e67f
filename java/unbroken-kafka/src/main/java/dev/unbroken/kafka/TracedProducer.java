package dev.unbroken.kafka;

import io.opentelemetry.context.Scope;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Traces the records that a producer sends. A proxy, because the methods of the interface differ between kafka-clients
 * 3 and 4: whatever it has goes to the producer.
 *
 * @param <K> type of the key
 * @param <V> type of the value
 */
final class TracedProducer<K, V> implements InvocationHandler {

    private static final Logger LOGGER = LoggerFactory.getLogger("unbroken");

    private final Tracing tracing;
    private final Producer<K, V> producer;
    private final ProducerFacts facts;
    private volatile boolean isWithoutHeaders;

    private TracedProducer(Tracing tracing, Producer<K, V> producer, ProducerFacts facts) {
        this.tracing = tracing;
        this.producer = producer;
        this.facts = facts;
    }

    @SuppressWarnings("unchecked")
    static <K, V> Producer<K, V> of(Tracing tracing, Producer<K, V> producer, ProducerFacts facts) {
        if (Proxy.isProxyClass(producer.getClass()) && Proxy.getInvocationHandler(producer) instanceof TracedProducer) {
            return producer; // traced twice is traced once
        }
        return (Producer<K, V>) Proxy.newProxyInstance(
                TracedProducer.class.getClassLoader(),
                new Class<?>[] {Producer.class},
                new TracedProducer<>(tracing, producer, facts));
    }

    @Override
    @SuppressWarnings("unchecked")
    public Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        if (method.getName().equals("send") && arguments[0] instanceof ProducerRecord<?, ?> record) {
            Callback callback = arguments.length > 1 ? (Callback) arguments[1] : null;
            return send((ProducerRecord<K, V>) record, callback);
        }
        if (method.getName().equals("equals") && arguments != null && arguments.length == 1) {
            return proxy == arguments[0];
        }
        try {
            return method.invoke(producer, arguments);
        } catch (InvocationTargetException failure) {
            throw failure.getCause();
        }
    }

    private Future<RecordMetadata> send(ProducerRecord<K, V> record, Callback callback) {
        Sending<K, V> sending = Sending.begin(tracing, record, facts);
        Callback reported = sending.isObserved() || callback != null ? new Reported(sending, callback) : null;
        try (Scope scope = sending.context().makeCurrent()) {
            Future<RecordMetadata> future = carried(sending, record, reported);
            if (future == null) { // a double of a test, which reports nothing
                sending.end(null, null);
            }
            return future;
        } catch (Throwable failure) {
            sending.end(null, failure);
            throw failure;
        }
    }

    /** Sends the record with its context; as it was given, where the broker takes no headers. */
    private Future<RecordMetadata> carried(Sending<K, V> sending, ProducerRecord<K, V> given, Callback reported) {
        if (isWithoutHeaders || sending.record() == given) {
            return producer.send(given, reported);
        }
        try {
            return producer.send(sending.record(), reported);
        } catch (IllegalArgumentException refused) {
            if (!isOfHeaders(refused)) {
                throw refused;
            }
            isWithoutHeaders = true;
            LOGGER.warn("the broker is older than 0.11 and takes no headers: records are sent without a context");
            return producer.send(given, reported);
        }
    }

    /** Returns whether the client says that the format of the broker's messages has no headers. */
    private static boolean isOfHeaders(IllegalArgumentException refused) {
        String message = refused.getMessage();
        return message != null && message.contains("does not support record headers");
    }

    /** The callback of one record: ends its span, then calls the application's, with the context of the send. */
    private record Reported(Sending<?, ?> sending, Callback callback) implements Callback {

        @Override
        public void onCompletion(RecordMetadata metadata, Exception error) {
            sending.end(metadata, error);
            if (callback != null) {
                try (Scope scope = sending.context().makeCurrent()) {
                    callback.onCompletion(metadata, error);
                }
            }
        }
    }
}
