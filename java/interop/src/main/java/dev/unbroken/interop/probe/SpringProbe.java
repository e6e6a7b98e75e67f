package dev.unbroken.interop.probe;

import dev.unbroken.interop.Telemetry;
import dev.unbroken.spring.kafka.BatchRecords;
import dev.unbroken.spring.kafka.UnbrokenBatchInterceptor;
import dev.unbroken.spring.kafka.UnbrokenProducerPostProcessor;
import dev.unbroken.spring.kafka.UnbrokenRecordInterceptor;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.BatchMessageListener;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.listener.MessageListener;
import org.springframework.kafka.support.TopicPartitionOffset;
import org.springframework.kafka.support.TopicPartitionOffset.SeekPosition;
import org.springframework.util.backoff.FixedBackOff;

/** The probe with spring-kafka, without an application context: a template, and a container for each reading. */
public final class SpringProbe extends Probe {

    private static final long SECONDS = 60;

    private final KafkaTemplate<byte[], byte[]> template;

    private SpringProbe(OpenTelemetrySdk sdk) {
        super(sdk);
        Map<String, Object> settings = Map.of("bootstrap.servers", BROKER, "client.id", CLIENT_ID);
        var producers =
                new DefaultKafkaProducerFactory<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        producers.addPostProcessor(new UnbrokenProducerPostProcessor<>(unbroken, settings));
        template = new KafkaTemplate<>(producers);
    }

    @Override
    void send(ProducerRecord<byte[], byte[]> record) throws Exception {
        template.send(record).get();
    }

    @Override
    void read(String topic, int count, String group, boolean isBatch, Handler handler) throws InterruptedException {
        Map<String, Object> settings = Map.of("bootstrap.servers", BROKER, "client.id", CLIENT_ID);
        CountDownLatch missing = new CountDownLatch(count);
        Handler once = record -> {
            if (missing.getCount() > 0) {
                try {
                    handler.handle(record);
                } finally {
                    missing.countDown();
                }
            }
        };
        var properties = new ContainerProperties(new TopicPartitionOffset(topic, 0, SeekPosition.BEGINNING));
        properties.setGroupId(group);
        properties.setMessageListener(isBatch ? inBlocks(once) : (MessageListener<byte[], byte[]>) once::handle);
        var consumers =
                new DefaultKafkaConsumerFactory<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var container = new KafkaMessageListenerContainer<>(consumers, properties);
        container.setRecordInterceptor(new UnbrokenRecordInterceptor<>(unbroken, null, settings));
        container.setBatchInterceptor(new UnbrokenBatchInterceptor<>(unbroken, null, settings));
        // One attempt, and nothing after it.
        container.setCommonErrorHandler(new DefaultErrorHandler((record, error) -> {}, new FixedBackOff(0, 0)));
        container.start();
        try {
            if (!missing.await(SECONDS, TimeUnit.SECONDS)) {
                throw new IllegalStateException(missing.getCount() + " records of " + topic + " did not come");
            }
        } finally {
            container.stop(); // waits for the end of the listener, and of the blocks around it
        }
    }

    private BatchMessageListener<byte[], byte[]> inBlocks(Handler handler) {
        BatchRecords blocks = new BatchRecords(unbroken);
        return records -> records.forEach(record -> blocks.process(record, handler::handle));
    }

    /**
     * Answers every line of the standard input.
     *
     * @param arguments none
     * @throws IOException when it cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        new SpringProbe(Telemetry.allTo("spring", otlp())).serve();
    }
}
