package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.trace.data.SpanData;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.junit.jupiter.api.Test;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.listener.ConsumerAwareRebalanceListener;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.listener.MessageListener;

/** Two containers of one group, of which the second comes later. */
class RebalanceTest {

    private final Spans spans = new Spans();
    private final ContextProbe probe = new ContextProbe();
    private final CountDownLatch secondHasPartitions = new CountDownLatch(1);

    @Test
    void recordsBeforeAndAfterARebalanceHaveTheirOwnSpansAndNothingIsLeft() throws Exception {
        Broker broker = Broker.real();
        String topic = broker.topic("orders", 2);
        String group = UUID.randomUUID().toString();
        KafkaMessageListenerContainer<Object, Object> first = container(broker, topic, group, new CountDownLatch(1));
        KafkaMessageListenerContainer<Object, Object> second = container(broker, topic, group, secondHasPartitions);
        first.start();
        try {
            broker.send(topic, "1", "2", "3", "4");
            spans.await(4, span -> span.getKind() == SpanKind.CONSUMER);
            second.start();
            assertEquals(true, secondHasPartitions.await(120, TimeUnit.SECONDS));
            broker.send(topic, "5", "6", "7", "8");
            List<SpanData> processed = spans.await(8, span -> span.getKind() == SpanKind.CONSUMER);

            assertEquals(
                    List.of(Records.PARENT),
                    processed.stream().map(SpanData::getParentSpanId).distinct().toList());
            assertSame(Context.root(), probe.awaitPoll());
        } finally {
            second.stop();
            first.stop();
        }
        assertEquals(0, spans.open());
    }

    private KafkaMessageListenerContainer<Object, Object> container(
            Broker broker, String topic, String group, CountDownLatch hasPartitions) {
        ContainerProperties properties = new ContainerProperties(topic);
        properties.setGroupId(group);
        properties.setPollTimeout(100);
        properties.setMessageListener((MessageListener<Object, Object>) record -> Span.current());
        properties.setConsumerRebalanceListener(new ConsumerAwareRebalanceListener() {
            @Override
            public void onPartitionsAssigned(Consumer<?, ?> consumer, Collection<TopicPartition> partitions) {
                if (!partitions.isEmpty()) {
                    hasPartitions.countDown();
                }
            }
        });
        Map<String, Object> settings = Map.of(
                "bootstrap.servers",
                broker.bootstrap(),
                "auto.offset.reset",
                "earliest",
                "key.deserializer",
                StringDeserializer.class,
                "value.deserializer",
                StringDeserializer.class);
        KafkaMessageListenerContainer<Object, Object> container =
                new KafkaMessageListenerContainer<>(new DefaultKafkaConsumerFactory<>(settings), properties);
        container.setRecordInterceptor(
                new UnbrokenRecordInterceptor<>(Unbroken.create(spans.openTelemetry()), probe, settings));
        return container;
    }
}
