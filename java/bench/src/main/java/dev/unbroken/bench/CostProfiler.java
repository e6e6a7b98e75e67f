package dev.unbroken.bench;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongUnaryOperator;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * What all Java threads take for an operation: {@code cpu}, in nanoseconds of their CPU time, and {@code allocated}, in
 * bytes. The score is the time on the wall, which counts what a busy machine does in the meantime too. Compiler and
 * garbage collector are no Java threads; the bytes say what the collector has to do.
 */
public final class CostProfiler implements InternalProfiler {

    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private Map<Long, Long> cpu = Map.of();
    private Map<Long, Long> allocated = Map.of();

    /** Returns a profiler; JMH calls this by reflection. */
    public CostProfiler() {}

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
        allocated = ofEachThread(THREADS::getThreadAllocatedBytes);
        cpu = ofEachThread(THREADS::getThreadCpuTime);
    }

    @Override
    public Collection<? extends Result<?>> afterIteration(
            BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
        double nanoseconds = since(cpu, ofEachThread(THREADS::getThreadCpuTime));
        double bytes = since(allocated, ofEachThread(THREADS::getThreadAllocatedBytes));
        // JMH counts a batch of a single shot as one operation.
        double operations = (double) iteration.getBatchSize() * benchmark.getOpsPerInvocation();
        return List.of(
                new ScalarResult("cpu", nanoseconds / operations, "ns/op", AggregationPolicy.AVG),
                new ScalarResult("allocated", bytes / operations, "B/op", AggregationPolicy.AVG));
    }

    @Override
    public String getDescription() {
        return "CPU time and allocations of the Java threads for each operation";
    }

    /** Returns a value of each thread that is alive, by the thread's id. */
    private static Map<Long, Long> ofEachThread(LongUnaryOperator value) {
        Map<Long, Long> found = new HashMap<>();
        for (long id : THREADS.getAllThreadIds()) {
            found.put(id, Math.max(0, value.applyAsLong(id)));
        }
        return found;
    }

    private static long since(Map<Long, Long> before, Map<Long, Long> after) {
        long sum = 0;
        for (Map.Entry<Long, Long> thread : after.entrySet()) {
            sum += thread.getValue() - before.getOrDefault(thread.getKey(), 0L);
        }
        return sum;
    }
}
