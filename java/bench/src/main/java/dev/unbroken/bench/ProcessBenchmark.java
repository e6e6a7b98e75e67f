package dev.unbroken.bench;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.infra.Blackhole;
import org.springframework.kafka.listener.RecordInterceptor;

/** One record through the contract of spring-kafka's interceptors: intercept, listener, success, afterRecord. */
@State(Scope.Thread)
public class ProcessBenchmark {

    /** Who intercepts. */
    @Param
    public Interception contender;

    /** What the headers carry. */
    @Param({"SAMPLED", "UNSAMPLED"})
    public Carried carried;

    private RecordInterceptor<String, String> interceptor;
    private Consumer<String, String> consumer;
    private long offset;

    /**
     * Makes the contender, which has to make its spans.
     *
     * @param blackhole takes the value
     */
    @Setup
    public void prepare(Blackhole blackhole) {
        Tracing tracing = new Tracing();
        interceptor = contender.interceptor(tracing);
        consumer = new Deliveries(carried);
        interceptor.setupThreadState(consumer);
        tracing.requireSpans(() -> process(blackhole), contender.spans(carried));
    }

    /**
     * Processes a record that was just received.
     *
     * @param blackhole takes the value
     */
    @Benchmark
    public void process(Blackhole blackhole) {
        ConsumerRecord<String, String> record = carried.record(offset++);
        ConsumerRecord<String, String> intercepted = interceptor.intercept(record, consumer);
        blackhole.consume(intercepted.value());
        interceptor.success(intercepted, consumer);
        interceptor.afterRecord(intercepted, consumer);
    }
}
