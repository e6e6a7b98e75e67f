package dev.unbroken.spring.kafka;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.beans.DirectFieldAccessor;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.kafka.config.AbstractKafkaListenerContainerFactory;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.core.RoutingKafkaTemplate;
import org.springframework.kafka.listener.AbstractMessageListenerContainer;
import org.springframework.kafka.listener.BatchInterceptor;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.RecordInterceptor;

/**
 * Puts the tracing on the beans of spring-kafka: interceptors on container factories and containers (around those that
 * the application has set), a post-processor on the producer factories, headers on the recoverers of dead letters.
 *
 * <p>Where the application has switched spring-kafka's own observation on it steps aside and says so: two spans of one
 * record, and two that write its {@code traceparent}, are never right. A bean that cannot be changed stays as it is.
 */
final class KafkaBeans implements BeanPostProcessor {

    private static final Log log = LogFactory.getLog(KafkaBeans.class);

    private final FirstUse unbroken;
    private final boolean forwards;
    private final Set<ProducerFactory<?, ?>> observed = Collections.newSetFromMap(new IdentityHashMap<>());

    KafkaBeans(FirstUse unbroken, boolean forwards) {
        this.unbroken = unbroken;
        this.forwards = forwards;
    }

    @Override
    public Object postProcessAfterInitialization(Object bean, String name) {
        try {
            Object own = behindProxies(bean);
            if (own instanceof AbstractKafkaListenerContainerFactory<?, ?, ?> factory) {
                trace(factory, name);
            } else if (own instanceof AbstractMessageListenerContainer<?, ?> container) {
                trace(container, name);
            } else if (own instanceof ProducerFactory<?, ?> factory) {
                trace(factory);
            } else if (own instanceof DeadLetterPublishingRecoverer recoverer && forwards) {
                recoverer.addHeadersFunction(new ForwardedHeaders(unbroken));
            } else if (own instanceof KafkaTemplate<?, ?> template && !(own instanceof RoutingKafkaTemplate)) {
                trace(template, name);
            }
        } catch (RuntimeException | LinkageError error) {
            log.error("unbroken: the bean '" + name + "' is not traced", error);
        }
        return bean;
    }

    private <K, V> void trace(AbstractKafkaListenerContainerFactory<?, K, V> factory, String name) {
        if (factory.getContainerProperties().isObservationEnabled()) {
            stepAside(name);
            return;
        }
        DirectFieldAccessor fields = new DirectFieldAccessor(factory); // nothing public tells the interceptors
        ClientFacts facts = new ClientFacts(() -> settings(factory.getConsumerFactory()));
        factory.setRecordInterceptor(ofRecords(field(fields, "recordInterceptor"), facts));
        factory.setBatchInterceptor(ofBatches(field(fields, "batchInterceptor"), facts));
    }

    private <K, V> void trace(AbstractMessageListenerContainer<K, V> container, String name) {
        if (container.getContainerProperties().isObservationEnabled()) {
            stepAside(name);
            return;
        }
        DirectFieldAccessor fields = new DirectFieldAccessor(container);
        ClientFacts facts = new ClientFacts(() -> settings(field(fields, "consumerFactory")));
        container.setRecordInterceptor(ofRecords(field(fields, "recordInterceptor"), facts));
        container.setBatchInterceptor(ofBatches(field(fields, "batchInterceptor"), facts));
    }

    private <K, V> void trace(ProducerFactory<K, V> factory) {
        boolean isTraced =
                factory.getPostProcessors().stream().anyMatch(UnbrokenProducerPostProcessor.class::isInstance);
        if (!isTraced && !observed.contains(factory)) {
            ClientFacts facts = new ClientFacts(factory::getConfigurationProperties);
            factory.addPostProcessor(new UnbrokenProducerPostProcessor<>(unbroken, facts));
        }
    }

    private <K, V> void trace(KafkaTemplate<K, V> template, String name) {
        ProducerFactory<K, V> factory = template.getProducerFactory();
        if (Boolean.TRUE.equals(field(new DirectFieldAccessor(template), "observationEnabled"))) {
            stepAside(name);
            observed.add(factory);
            factory.getPostProcessors().stream()
                    .filter(UnbrokenProducerPostProcessor.class::isInstance)
                    .toList()
                    .forEach(factory::removePostProcessor);
        } else {
            trace(factory); // one that is no bean
        }
    }

    private <K, V> RecordInterceptor<K, V> ofRecords(RecordInterceptor<K, V> known, ClientFacts facts) {
        return known instanceof UnbrokenRecordInterceptor
                ? known
                : new UnbrokenRecordInterceptor<>(unbroken, known, facts);
    }

    private <K, V> BatchInterceptor<K, V> ofBatches(BatchInterceptor<K, V> known, ClientFacts facts) {
        return known instanceof UnbrokenBatchInterceptor
                ? known
                : new UnbrokenBatchInterceptor<>(unbroken, known, facts);
    }

    /** Returns the bean that an aspect of the application may be around: the fields of a proxy are empty. */
    private static Object behindProxies(Object bean) {
        Object target = AopProxyUtils.getSingletonTarget(bean);
        return target == null ? bean : behindProxies(target);
    }

    private static Map<String, Object> settings(ConsumerFactory<?, ?> factory) {
        return factory == null ? Map.of() : factory.getConfigurationProperties();
    }

    @SuppressWarnings("unchecked") // the fields are of these types in every version of spring-kafka that has them
    private static <T> T field(DirectFieldAccessor fields, String name) {
        return (T) fields.getPropertyValue(name);
    }

    private static void stepAside(String name) {
        log.warn(
                "unbroken: the bean '" + name + "' is not traced, because its observationEnabled is set. Two that trace"
                        + " the same record break its trace: switch one of them off.");
    }
}
