package dev.unbroken.bench;

import io.opentelemetry.context.Scope;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.producer.Producer;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.springframework.context.support.StaticApplicationContext;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.support.SendResult;

/** One record sent by Spring's template, inside of a span. */
@State(org.openjdk.jmh.annotations.Scope.Thread)
public class TemplateBenchmark {

    /** Who traces the template. */
    public enum Contender {
        /** Nobody. */
        BARE(Producing.BARE),
        /** OpenTelemetry's wrapper around each producer of the factory. */
        OPENTELEMETRY(Producing.OPENTELEMETRY),
        /** Spring's own observation. */
        OBSERVATION(Producing.BARE),
        /** This library's wrapper around each producer of the factory. */
        UNBROKEN(Producing.UNBROKEN);

        private final Producing producing;

        Contender(Producing producing) {
            this.producing = producing;
        }

        private KafkaTemplate<String, String> template(Tracing tracing) {
            KafkaTemplate<String, String> template = new KafkaTemplate<>(new Acknowledged(producing, tracing));
            if (this == OBSERVATION) {
                StaticApplicationContext context = new StaticApplicationContext();
                context.getBeanFactory().registerSingleton("observationRegistry", Observation.registry(tracing));
                template.setApplicationContext(context);
                template.setObservationEnabled(true);
                template.afterSingletonsInstantiated();
            }
            return template;
        }
    }

    /** Who. */
    @Param
    public Contender contender;

    /** Whether the span around is sampled. */
    @Param({"SAMPLED", "UNSAMPLED"})
    public Carried carried;

    private final Tracing tracing = new Tracing();
    private KafkaTemplate<String, String> template;
    private Scope scope;

    /** Makes the contender, which has to make its spans, and attaches the span around. */
    @Setup(Level.Iteration)
    public void prepare() {
        scope = tracing.inside(carried.fields()).makeCurrent();
        if (template == null) {
            template = contender.template(tracing);
            tracing.requireSpans(this::send, contender == Contender.BARE ? 0 : carried.spans());
        }
    }

    /** Detaches the span around. */
    @TearDown(Level.Iteration)
    public void detach() {
        scope.close();
    }

    /**
     * Sends a new record.
     *
     * @return the future of its acknowledgement, which is there already
     */
    @Benchmark
    public CompletableFuture<SendResult<String, String>> send() {
        return template.send(Carried.toSend());
    }

    /** Makes traced producers that need no broker; Spring applies its post-processors in the method replaced here. */
    private static final class Acknowledged extends DefaultKafkaProducerFactory<String, String> {

        private final Producing producing;
        private final Tracing tracing;

        Acknowledged(Producing producing, Tracing tracing) {
            super(Map.of());
            this.producing = producing;
            this.tracing = tracing;
        }

        @Override
        protected Producer<String, String> createRawProducer(Map<String, Object> configuration) {
            return producing.traced(new Acknowledging(), tracing);
        }
    }
}
