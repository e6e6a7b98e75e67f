package dev.unbroken.spring.kafka;

import java.lang.reflect.Proxy;
import java.util.Map;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;

/** A consumer that only tells of itself: the constructors of Kafka's own MockConsumer differ between its versions. */
final class Consumers {

    static final String GROUP = "payments";

    private Consumers() {}

    @SuppressWarnings("unchecked")
    static Consumer<String, String> mock() {
        return (Consumer<String, String>) Proxy.newProxyInstance(
                Consumers.class.getClassLoader(),
                new Class<?>[] {Consumer.class},
                (proxy, method, arguments) -> switch (method.getName()) {
                    case "groupMetadata" -> new ConsumerGroupMetadata(GROUP);
                    case "metrics" -> Map.of();
                    default -> throw new UnsupportedOperationException(method.getName());
                });
    }
}
