package dev.unbroken.spring.kafka;

import io.opentelemetry.api.OpenTelemetry;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.springframework.boot.Banner;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.support.GenericApplicationContext;
import org.springframework.kafka.core.KafkaTemplate;

/** A Spring Boot application that has the dependency and nothing else of ours. */
final class Application implements AutoCloseable {

    private final ConfigurableApplicationContext context;

    private Application(ConfigurableApplicationContext context) {
        this.context = context;
    }

    /** Returns a running application whose spans are kept, with these classes and {@code name=value} properties. */
    static Application start(Spans spans, Broker broker, List<Class<?>> classes, String... properties) {
        List<String> all = new ArrayList<>(List.of(
                "spring.kafka.bootstrap-servers=" + broker.bootstrap(),
                "spring.kafka.consumer.group-id=" + UUID.randomUUID(),
                "spring.kafka.consumer.auto-offset-reset=earliest",
                "spring.kafka.consumer.properties[metadata.max.age.ms]=1000",
                "spring.kafka.listener.poll-timeout=100ms"));
        all.addAll(List.of(properties));
        return new Application(new SpringApplicationBuilder(classes.toArray(Class<?>[]::new))
                .web(WebApplicationType.NONE)
                .bannerMode(Banner.Mode.OFF)
                .initializers(context -> {
                    if (spans != null) {
                        ((GenericApplicationContext) context).registerBean(OpenTelemetry.class, spans::openTelemetry);
                    }
                })
                // As arguments: the embedded broker sets a system property, which would win over defaults.
                .run(all.stream().map(property -> "--" + property).toArray(String[]::new)));
    }

    <T> T bean(Class<T> type) {
        return context.getBean(type);
    }

    boolean has(Class<?> type) {
        return context.getBeanNamesForType(type).length > 0;
    }

    @SuppressWarnings("unchecked") // Boot's template has whatever types it is asked for
    KafkaTemplate<Object, Object> template() {
        return context.getBean("kafkaTemplate", KafkaTemplate.class);
    }

    @Override
    public void close() {
        context.close();
    }
}
