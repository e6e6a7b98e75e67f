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

/**
 * Traces the records that a producer sends. A proxy, because the methods of the interface differ between kafka-clients
 * 3 and 4: whatever it has goes to the producer.
 *
 * @param <K> type of the key
 * @param <V> type of the value
 */
final class TracedProducer<K, V> implements InvocationHandler {

    private final Tracing tracing;
    private final Producer<K, V> producer;
    private final ProducerFacts facts;

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
        boolean isReported = sending.isObserved() || callback != null;
        try (Scope scope = sending.context().makeCurrent()) {
            return producer.send(sending.record(), isReported ? new Reported(sending, callback) : null);
        } catch (Throwable failure) {
            sending.end(null, failure);
            throw failure;
        }
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
