package dev.unbroken.spring.kafka;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** A producer whose every record is acknowledged at once: Kafka's own mock has no constructor that all versions have. */
final class Producers {

    private Producers() {}

    /** Returns a producer that puts what it sends into a list. */
    @SuppressWarnings("unchecked")
    static <K, V> Producer<K, V> keeping(List<ProducerRecord<K, V>> sent) {
        return (Producer<K, V>) Proxy.newProxyInstance(
                Producers.class.getClassLoader(),
                new Class<?>[] {Producer.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "send" -> {
                        sent.add((ProducerRecord<K, V>) arguments[0]);
                        RecordMetadata metadata =
                                new RecordMetadata(new TopicPartition("sent", 0), sent.size() - 1L, 0, 0, 0, 0);
                        if (arguments.length > 1 && arguments[1] instanceof Callback callback) {
                            callback.onCompletion(metadata, null);
                        }
                        yield CompletableFuture.completedFuture(metadata);
                    }
                    case "metrics" -> Map.of();
                    case "flush", "close" -> null;
                    default -> throw new UnsupportedOperationException(method.getName());
                });
    }
}
