package dev.unbroken.bench;

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.Consumer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.infra.Blackhole;
import org.springframework.core.task.SimpleAsyncTaskExecutor;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.listener.MessageListener;
import org.springframework.kafka.support.TopicPartitionOffset;

/** Records through a real listener container, whose consumer has them at hand. */
@State(Scope.Thread)
public class ContainerBenchmark {

    private static final int RECORDS = 2_000;

    /** Who traces the container. */
    public enum Contender {
        /** Nobody. */
        BARE(null),
        /** OpenTelemetry's interceptor. */
        OPENTELEMETRY(Interception.OPENTELEMETRY),
        /** Spring's own observation. */
        OBSERVATION(null),
        /** This library's interceptor. */
        UNBROKEN(Interception.UNBROKEN);

        private final Interception interception;

        Contender(Interception interception) {
            this.interception = interception;
        }

        private void trace(KafkaMessageListenerContainer<String, String> container, Tracing tracing) {
            if (interception != null) {
                container.setRecordInterceptor(interception.interceptor(tracing));
            } else if (this == OBSERVATION) {
                container.getContainerProperties().setObservationEnabled(true);
                container.getContainerProperties().setObservationRegistry(Observation.registry(tracing));
            }
        }
    }

    /** Who. */
    @Param
    public Contender contender;

    /** What the headers carry. */
    @Param({"SAMPLED", "UNSAMPLED"})
    public Carried carried;

    private Deliveries deliveries;

    /**
     * Starts the container; the contender has to make its spans.
     *
     * @param blackhole takes the values
     */
    @Setup
    public void start(Blackhole blackhole) {
        Tracing tracing = new Tracing();
        deliveries = new Deliveries(carried);
        ContainerProperties properties = new ContainerProperties(new TopicPartitionOffset(Carried.TOPIC, 0, 0L));
        properties.setGroupId("billing");
        properties.setPollTimeout(100);
        properties.setListenerTaskExecutor(endsWithTheProcess());
        properties.setMessageListener((MessageListener<String, String>) record -> blackhole.consume(record.value()));
        KafkaMessageListenerContainer<String, String> container =
                new KafkaMessageListenerContainer<>(new Given(deliveries), properties);
        contender.trace(container, tracing);
        container.start();
        tracing.requireSpans(() -> deliveries.deliver(1), contender == Contender.BARE ? 0 : carried.spans());
    }

    /** Delivers records and waits until they are handled. */
    @Benchmark
    @OperationsPerInvocation(RECORDS)
    public void listen() {
        deliveries.deliver(RECORDS);
    }

    /** Returns daemon threads: one that ended with the last iteration would take its CPU time out of the sum. */
    private static SimpleAsyncTaskExecutor endsWithTheProcess() {
        SimpleAsyncTaskExecutor executor = new SimpleAsyncTaskExecutor("container-");
        executor.setDaemon(true);
        return executor;
    }

    /** Gives a container the one consumer that there is. */
    private record Given(Consumer<String, String> consumer) implements ConsumerFactory<String, String> {

        @Override
        public Consumer<String, String> createConsumer(
                String groupId, String clientIdPrefix, String clientIdSuffix, Properties properties) {
            return consumer;
        }

        @Override
        public Consumer<String, String> createConsumer(String groupId, String clientIdPrefix, String clientIdSuffix) {
            return consumer;
        }

        @Override
        public boolean isAutoCommit() {
            return false;
        }

        @Override
        public Map<String, Object> getConfigurationProperties() {
            return Map.of();
        }
    }
}
