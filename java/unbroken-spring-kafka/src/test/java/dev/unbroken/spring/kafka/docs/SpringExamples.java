package dev.unbroken.spring.kafka.docs;

import dev.unbroken.kafka.Unbroken;
import dev.unbroken.spring.kafka.AsyncListener;
import dev.unbroken.spring.kafka.BatchRecords;
import dev.unbroken.spring.kafka.ForwardedHeaders;
import dev.unbroken.spring.kafka.UnbrokenBatchInterceptor;
import dev.unbroken.spring.kafka.UnbrokenProducerPostProcessor;
import dev.unbroken.spring.kafka.UnbrokenRecordInterceptor;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.context.Context;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.DltHandler;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.ConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.retrytopic.RetryTopicConfigurationSupport;
import org.springframework.stereotype.Component;
import org.springframework.util.backoff.FixedBackOff;
import reactor.core.publisher.Mono;

/** What the page says about Spring. */
final class SpringExamples {

    private SpringExamples() {}

    // page
    @Component
    class Payments {

        private final KafkaTemplate<String, String> template;

        Payments(KafkaTemplate<String, String> template) {
            this.template = template;
        }

        @KafkaListener(topics = "orders")
        void handle(String order) {
            template.send("payments", order); // in the trace of the order
        }
    }
    // end

    // page
    @Component
    class Orders {

        private final BatchRecords records;

        Orders(BatchRecords records) {
            this.records = records;
        }

        @KafkaListener(topics = "orders", batch = "true")
        void handle(List<ConsumerRecord<String, String>> orders) {
            for (ConsumerRecord<String, String> order : orders) {
                records.process(order, each -> charge(each.value())); // in the trace of each order
            }
        }

        private void charge(String order) {}
    }
    // end

    // page
    @Bean
    DeadLetterPublishingRecoverer recoverer(KafkaTemplate<?, ?> template) {
        return new DeadLetterPublishingRecoverer(template);
    }

    @Bean
    DefaultErrorHandler errorHandler(DeadLetterPublishingRecoverer recoverer) {
        return new DefaultErrorHandler(recoverer, new FixedBackOff(0, 2)); // three attempts
    }
    // end

    // page
    @Component
    class Retrying {

        @RetryableTopic(attempts = "3")
        @KafkaListener(topics = "orders")
        void handle(String order) {
            throw new IllegalStateException("poison");
        }

        @DltHandler
        void bury(String order) {} // in the trace of the order, too
    }

    @Configuration
    class Retries extends RetryTopicConfigurationSupport {

        private final ForwardedHeaders headers;

        Retries(ForwardedHeaders headers) {
            this.headers = headers;
        }

        @Override
        protected void configureCustomizers(CustomizersConfigurer customizers) {
            customizers.customizeDeadLetterPublishingRecoverer(recoverer -> recoverer.addHeadersFunction(headers));
        }
    }
    // end

    interface Service {
        CompletableFuture<Void> place(String order);

        Mono<Void> reserve(String order);
    }

    abstract static class Asynchronous {

        abstract Service service();

        // page
        @KafkaListener(topics = "orders")
        CompletableFuture<Void> handle(String order) {
            return AsyncListener.hold(service().place(order));
        }

        @KafkaListener(topics = "reservations")
        CompletableFuture<Void> reserve(String order) {
            return AsyncListener.hold(service().reserve(order).toFuture()); // a Mono
        }
        // end
    }

    void executors(Runnable task) {
        // page
        ExecutorService pool = Context.taskWrapping(Executors.newFixedThreadPool(4));
        pool.submit(task);
        CompletableFuture.runAsync(task, pool);
        new Thread(Context.current().wrap(task)).start(); // or a virtual one
        // end
    }

    // page
    @Configuration
    class Tracing {

        @Bean
        Unbroken unbroken(OpenTelemetry openTelemetry) {
            return Unbroken.create(openTelemetry);
        }

        @Bean
        ConcurrentKafkaListenerContainerFactory<String, String> kafkaListenerContainerFactory(
                ConsumerFactory<String, String> consumers, Unbroken unbroken) {
            var factory = new ConcurrentKafkaListenerContainerFactory<String, String>();
            factory.setConsumerFactory(consumers);
            factory.setRecordInterceptor(new UnbrokenRecordInterceptor<>(unbroken));
            factory.setBatchInterceptor(new UnbrokenBatchInterceptor<>(unbroken));
            return factory;
        }

        @Bean
        KafkaTemplate<String, String> template(
                DefaultKafkaProducerFactory<String, String> producers, Unbroken unbroken) {
            producers.addPostProcessor(new UnbrokenProducerPostProcessor<>(unbroken));
            return new KafkaTemplate<>(producers);
        }
    }
    // end
}
