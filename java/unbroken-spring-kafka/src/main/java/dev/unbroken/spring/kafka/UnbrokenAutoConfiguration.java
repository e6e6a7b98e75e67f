package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.OpenTelemetry;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigureOrder;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Lazy;
import org.springframework.core.Ordered;
import org.springframework.core.env.Environment;
import org.springframework.core.task.TaskDecorator;
import org.springframework.kafka.core.KafkaTemplate;

/**
 * Traces every listener container, producer factory and recoverer that is a bean; the {@code unbroken.*} properties say
 * how.
 *
 * <p>Spans go to the {@link OpenTelemetry} bean if there is one, else to {@link GlobalOpenTelemetry}. Neither is asked
 * for before the first record, so an application may set the global one as late as that.
 */
@AutoConfiguration
@AutoConfigureOrder(Ordered.LOWEST_PRECEDENCE) // another's TaskDecorator is there first
@ConditionalOnClass({KafkaTemplate.class, OpenTelemetry.class})
@ConditionalOnProperty(prefix = "unbroken", name = "enabled", matchIfMissing = true)
@EnableConfigurationProperties(UnbrokenProperties.class)
public class UnbrokenAutoConfiguration {

    /** Returns the configuration; Spring makes it. */
    public UnbrokenAutoConfiguration() {
        // Nothing to set.
    }

    /**
     * Returns what makes the spans.
     *
     * @param openTelemetry the application's, if it is a bean
     * @param properties what is traced and how
     * @return a new instance
     */
    @Bean
    @Lazy
    @ConditionalOnMissingBean
    public Unbroken unbroken(ObjectProvider<OpenTelemetry> openTelemetry, UnbrokenProperties properties) {
        OpenTelemetry found = openTelemetry.getIfUnique();
        return Unbroken.create(found == null ? GlobalOpenTelemetry.get() : found, properties.policy());
    }

    /**
     * Returns the blocks of batch listeners.
     *
     * @param unbroken makes the spans
     * @return a new instance
     */
    @Bean
    @ConditionalOnMissingBean
    public BatchRecords unbrokenBatchRecords(ObjectProvider<Unbroken> unbroken) {
        return new BatchRecords(new FirstUse(unbroken::getObject));
    }

    /**
     * Returns the headers of dead letters, for recoverers that are no beans.
     *
     * @param unbroken knows the context
     * @return a new instance
     */
    @Bean
    @ConditionalOnMissingBean
    public ForwardedHeaders unbrokenForwardedHeaders(ObjectProvider<Unbroken> unbroken) {
        return new ForwardedHeaders(new FirstUse(unbroken::getObject));
    }

    /**
     * Returns what the executors of Spring Boot decorate their tasks with.
     *
     * @return a new instance
     */
    @Bean
    @ConditionalOnMissingBean(TaskDecorator.class)
    @ConditionalOnProperty(prefix = "unbroken", name = "task-decorator", matchIfMissing = true)
    public ContextTaskDecorator unbrokenTaskDecorator() {
        return new ContextTaskDecorator();
    }

    /**
     * Returns what puts the tracing on the beans of spring-kafka.
     *
     * @param unbroken makes the spans
     * @param environment says whether dead letters get headers
     * @return a new instance
     */
    @Bean
    static KafkaBeans unbrokenKafkaBeans(ObjectProvider<Unbroken> unbroken, Environment environment) {
        boolean forwards = environment.getProperty("unbroken.forward-headers", Boolean.class, true);
        return new KafkaBeans(new FirstUse(unbroken::getObject), forwards);
    }
}
