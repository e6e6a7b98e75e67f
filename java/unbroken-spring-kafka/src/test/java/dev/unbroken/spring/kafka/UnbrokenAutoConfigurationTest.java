package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.unbroken.kafka.Correlation;
import dev.unbroken.kafka.Policy;
import dev.unbroken.kafka.Unbroken;
import dev.unbroken.propagation.Duplicates;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.ContextKey;
import io.opentelemetry.context.Scope;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.springframework.aop.framework.AopProxyUtils;
import org.springframework.aop.framework.ProxyFactory;
import org.springframework.beans.DirectFieldAccessor;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;
import org.springframework.core.io.ClassPathResource;
import org.springframework.core.task.TaskDecorator;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.BatchInterceptor;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.RecordInterceptor;

/** What the dependency alone does to the beans of an application; no broker is asked for anything. */
class UnbrokenAutoConfigurationTest {

    private static final Broker NONE = new Broker("127.0.0.1:1");

    private final Spans spans = new Spans();

    @Test
    void aContainerFactoryHasTheInterceptors() {
        try (Application application = start(Empty.class)) {
            assertInstanceOf(UnbrokenRecordInterceptor.class, recordInterceptor(application));
            assertInstanceOf(UnbrokenBatchInterceptor.class, batchInterceptor(application));
        }
    }

    @Test
    void theInterceptorsOfTheApplicationAreWrapped() {
        try (Application application = start(Intercepting.class)) {
            assertSame(application.bean(RecordInterceptor.class), field(recordInterceptor(application), "delegate"));
            assertSame(application.bean(BatchInterceptor.class), field(batchInterceptor(application), "delegate"));
        }
    }

    @Test
    void theInterceptorsOfAFactoryBehindAProxyAreWrapped() {
        try (Application application = start(Proxying.class)) {
            Object factory =
                    AopProxyUtils.getSingletonTarget(application.bean(ConcurrentKafkaListenerContainerFactory.class));
            assertSame(
                    application.bean(RecordInterceptor.class), field(field(factory, "recordInterceptor"), "delegate"));
        }
    }

    @Test
    void aContainerThatIsABeanHasTheInterceptorsOnce() {
        try (Application application = start(WithContainers.class)) {
            Object made = recordInterceptorOf(application.bean(WithContainers.class).made);
            Object own = recordInterceptorOf(application.bean(WithContainers.class).own);

            assertInstanceOf(UnbrokenRecordInterceptor.class, made);
            assertNull(field(made, "delegate"));
            assertInstanceOf(UnbrokenRecordInterceptor.class, own);
        }
    }

    @Test
    void aProducerFactoryHasThePostProcessorOnce() {
        try (Application application = start(Empty.class)) {
            assertEquals(1, traced(application.bean(ProducerFactory.class)));
        }
    }

    @Test
    void theFactoryOfATemplateThatIsNoBeanHasThePostProcessor() {
        try (Application application = start(WithTemplate.class)) {
            assertEquals(1, traced(application.bean(KafkaTemplate.class).getProducerFactory()));
        }
    }

    @Test
    void aRecovererAddsTheHeadersOfDeadLetters() {
        try (Application application = start(WithRecoverer.class)) {
            assertInstanceOf(
                    ForwardedHeaders.class,
                    field(application.bean(DeadLetterPublishingRecoverer.class), "headersFunction"));
        }
    }

    @Test
    void aRecovererDoesNotWhenThatIsSwitchedOff() {
        try (Application application = start(WithRecoverer.class, "unbroken.forward-headers=false")) {
            assertFalse(
                    field(application.bean(DeadLetterPublishingRecoverer.class), "headersFunction")
                            instanceof ForwardedHeaders);
        }
    }

    @Test
    void nothingIsDoneWhenItIsSwitchedOff() {
        try (Application application = start(Empty.class, "unbroken.enabled=false")) {
            assertNull(recordInterceptor(application));
            assertEquals(0, traced(application.bean(ProducerFactory.class)));
            assertFalse(application.has(Unbroken.class));
        }
    }

    @Test
    void listenersThatSpringObservesAreLeftAlone() {
        try (Application application = start(Empty.class, "spring.kafka.listener.observation-enabled=true")) {
            assertNull(recordInterceptor(application));
            assertEquals(1, traced(application.bean(ProducerFactory.class)));
        }
    }

    @Test
    void theProducersOfATemplateThatSpringObservesAreLeftAlone() {
        try (Application application = start(Empty.class, "spring.kafka.template.observation-enabled=true")) {
            assertEquals(0, traced(application.bean(ProducerFactory.class)));
            assertInstanceOf(UnbrokenRecordInterceptor.class, recordInterceptor(application));
        }
    }

    @Test
    void thePropertiesAreThePolicy() {
        try (Application application = start(
                Empty.class,
                "unbroken.correlation=link",
                "unbroken.duplicates=restart",
                "unbroken.spans=false",
                "unbroken.message-key=false",
                "unbroken.only=orders.*,payments",
                "unbroken.ignore=orders.test")) {
            Policy policy = application.bean(UnbrokenProperties.class).policy();

            assertEquals(Correlation.LINK, policy.correlation());
            assertEquals(Duplicates.RESTART, policy.duplicates());
            assertFalse(policy.spans());
            assertFalse(policy.messageKey());
            assertEquals(List.of("orders.*", "payments"), policy.only());
            assertEquals(List.of("orders.test"), policy.ignore());
        }
    }

    @Test
    void withoutPropertiesThePolicyIsTheDefault() {
        try (Application application = start(Empty.class)) {
            Policy policy = application.bean(UnbrokenProperties.class).policy();
            Policy expected = Policy.defaults();

            assertEquals(expected.correlation(), policy.correlation());
            assertEquals(expected.duplicates(), policy.duplicates());
            assertEquals(expected.spans(), policy.spans());
            assertEquals(expected.messageKey(), policy.messageKey());
            assertEquals(expected.only(), policy.only());
            assertEquals(expected.ignore(), policy.ignore());
        }
    }

    @Test
    void editorsKnowTheProperties() throws IOException {
        String metadata = new ClassPathResource("META-INF/spring-configuration-metadata.json")
                .getContentAsString(StandardCharsets.UTF_8);

        assertTrue(metadata.contains("\"unbroken.message-key\""));
        assertTrue(metadata.contains("Whether the key of a record is put on its spans."));
    }

    @Test
    void theGlobalOpenTelemetryIsNotAskedForBeforeTheFirstRecord() {
        GlobalOpenTelemetry.resetForTest();
        try (Application application = Application.start(null, NONE, List.of(Empty.class))) {
            GlobalOpenTelemetry.set(spans.openTelemetry()); // raises when somebody has asked already
            application.bean(Unbroken.class).open(Records.record("orders", 1)).close();

            assertEquals(1, spans.ended().size());
        } finally {
            GlobalOpenTelemetry.resetForTest();
        }
    }

    @Test
    void recordsAreHandledWhenTheBeanCannotBeMade() {
        try (Application application = start(Broken.class)) {
            BatchRecords records = application.bean(BatchRecords.class);
            List<String> handled = new ArrayList<>();
            records.process(Records.record("orders", 1), record -> handled.add(record.value()));

            assertEquals(List.of("value"), handled);
        }
    }

    @Test
    void tasksRunInTheContextInWhichTheyWereSubmitted() {
        try (Application application = start(Empty.class)) {
            Context inside = Context.root().with(ContextKey.named("inside"), "");
            List<Context> seen = new ArrayList<>();
            Runnable task;
            try (Scope scope = inside.makeCurrent()) {
                task = application.bean(TaskDecorator.class).decorate(() -> seen.add(Context.current()));
            }
            task.run();

            assertEquals(List.of(inside), seen);
        }
    }

    @Test
    void theTaskDecoratorOfTheApplicationIsTheOnlyOne() {
        try (Application application = start(Decorating.class)) {
            assertFalse(application.has(ContextTaskDecorator.class));
            assertTrue(application.has(TaskDecorator.class));
        }
    }

    private Application start(Class<?> configuration, String... properties) {
        return Application.start(spans, NONE, List.of(configuration), properties);
    }

    private static Object recordInterceptor(Application application) {
        return field(application.bean(ConcurrentKafkaListenerContainerFactory.class), "recordInterceptor");
    }

    private static Object batchInterceptor(Application application) {
        return field(application.bean(ConcurrentKafkaListenerContainerFactory.class), "batchInterceptor");
    }

    private static Object recordInterceptorOf(ConcurrentMessageListenerContainer<?, ?> container) {
        return field(container, "recordInterceptor");
    }

    private static long traced(ProducerFactory<?, ?> factory) {
        return factory.getPostProcessors().stream()
                .filter(UnbrokenProducerPostProcessor.class::isInstance)
                .count();
    }

    private static Object field(Object bean, String name) {
        return new DirectFieldAccessor(bean).getPropertyValue(name);
    }

    @Configuration
    @EnableAutoConfiguration
    static class Empty {}

    @Configuration
    @EnableAutoConfiguration
    static class Intercepting {

        @Bean
        RecordInterceptor<Object, Object> ofRecords() {
            return (record, consumer) -> record;
        }

        @Bean
        BatchInterceptor<Object, Object> ofBatches() {
            return (records, consumer) -> records;
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Proxying extends Intercepting {

        /** As an aspect of the application is put around a bean. */
        @Bean
        static BeanPostProcessor aspects() {
            return new BeanPostProcessor() {
                @Override
                public Object postProcessAfterInitialization(Object bean, String name) {
                    return bean instanceof ConcurrentKafkaListenerContainerFactory ? proxy(bean) : bean;
                }
            };
        }

        private static Object proxy(Object bean) {
            ProxyFactory factory = new ProxyFactory(bean);
            factory.setProxyTargetClass(true);
            return factory.getProxy();
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class WithContainers {

        ConcurrentMessageListenerContainer<Object, Object> made;
        ConcurrentMessageListenerContainer<Object, Object> own;

        @Bean
        ConcurrentMessageListenerContainer<Object, Object> made(
                ConcurrentKafkaListenerContainerFactory<Object, Object> factory) {
            made = factory.createContainer("orders");
            made.setAutoStartup(false);
            return made;
        }

        @Bean
        ConcurrentMessageListenerContainer<Object, Object> own(ConsumerFactory<Object, Object> factory) {
            own = new ConcurrentMessageListenerContainer<>(factory, new ContainerProperties("orders"));
            own.setAutoStartup(false);
            return own;
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class WithTemplate {

        @Bean
        KafkaTemplate<String, String> kafkaTemplate() {
            return new KafkaTemplate<>(new DefaultKafkaProducerFactory<>(
                    Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, NONE.bootstrap()),
                    new StringSerializer(),
                    new StringSerializer()));
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class WithRecoverer {

        @Bean
        DeadLetterPublishingRecoverer recoverer(KafkaTemplate<?, ?> template) {
            return new DeadLetterPublishingRecoverer(template);
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Broken {

        @Bean
        @Lazy
        Unbroken unbroken(OpenTelemetry openTelemetry) {
            throw new IllegalStateException("cannot be made");
        }
    }

    @Configuration
    @EnableAutoConfiguration
    static class Decorating {

        @Bean
        TaskDecorator own() {
            return task -> task;
        }
    }
}
