package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.Correlation;
import dev.unbroken.kafka.Policy;
import dev.unbroken.propagation.Duplicates;
import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * The {@code unbroken.*} properties of an application.
 *
 * @param enabled Whether anything is done at all.
 * @param correlation Whether the creation context of a record is the parent of its span, or only linked.
 * @param duplicates What several different traceparent headers mean: the last counts, or none.
 * @param spans Whether spans are made; without them the context still travels.
 * @param messageKey Whether the key of a record is put on its spans.
 * @param only Patterns of the topics that are traced; none means all.
 * @param ignore Patterns of the topics that are left alone, without span and without context.
 * @param forwardHeaders Whether dead letters of recoverer beans say where they come from (unbroken-origin, -source,
 *     -attempt, -error).
 * @param taskDecorator Whether executors of Spring Boot carry the context into their tasks, unless the application has a
 *     TaskDecorator of its own.
 */
@ConfigurationProperties("unbroken")
public record UnbrokenProperties(
        @DefaultValue("true") boolean enabled,
        @DefaultValue("parent") Correlation correlation,
        @DefaultValue("last") Duplicates duplicates,
        @DefaultValue("true") boolean spans,
        @DefaultValue("true") boolean messageKey,
        @DefaultValue List<String> only,
        @DefaultValue List<String> ignore,
        @DefaultValue("true") boolean forwardHeaders,
        @DefaultValue("true") boolean taskDecorator) {

    Policy policy() {
        return Policy.builder()
                .correlation(correlation)
                .duplicates(duplicates)
                .spans(spans)
                .messageKey(messageKey)
                .only(only)
                .ignore(ignore)
                .build();
    }
}
