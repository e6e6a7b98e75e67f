package dev.unbroken.bench;

import io.opentelemetry.context.Scope;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** One record sent by a producer of kafka-clients, inside of a span. */
@State(org.openjdk.jmh.annotations.Scope.Thread)
public class SendBenchmark {

    /** Who traces. */
    @Param
    public Producing contender;

    /** Whether the span around is sampled. */
    @Param({"SAMPLED", "UNSAMPLED"})
    public Carried carried;

    private final Tracing tracing = new Tracing();
    private Producer<String, String> producer;
    private Scope scope;

    /** Makes the contender, which has to make its spans, and attaches the span around. */
    @Setup(Level.Iteration)
    public void prepare() {
        scope = tracing.inside(carried.fields()).makeCurrent();
        if (producer == null) {
            producer = contender.traced(new Acknowledging(), tracing);
            tracing.requireSpans(this::send, contender == Producing.BARE ? 0 : carried.spans());
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
    public Future<RecordMetadata> send() {
        return producer.send(Carried.toSend());
    }
}
