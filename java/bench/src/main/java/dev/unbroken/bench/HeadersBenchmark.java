package dev.unbroken.bench;

import dev.unbroken.kafka.Unbroken;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapPropagator;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The headers alone: what it takes to read a context out of them, and to write one into a copy of them. */
@State(Scope.Thread)
public class HeadersBenchmark {

    /** Who reads and writes. */
    public enum Contender {
        /** The propagators of OpenTelemetry, with a getter and a setter as its instrumentation has them. */
        OPENTELEMETRY {
            @Override
            Codec codec(Tracing tracing) {
                TextMapPropagator propagator = tracing.sdk.getPropagators().getTextMapPropagator();
                return new Codec() {
                    @Override
                    public Context extract(Headers headers) {
                        return propagator.extract(Context.root(), headers, HeadersGetter.INSTANCE);
                    }

                    @Override
                    public Headers inject(Headers headers, Context context) {
                        Headers copy = new RecordHeaders(headers);
                        propagator.inject(context, copy, HeadersSetter.INSTANCE);
                        return copy;
                    }
                };
            }
        },
        /** This library. */
        UNBROKEN {
            @Override
            Codec codec(Tracing tracing) {
                Unbroken unbroken = Unbroken.create(tracing.sdk);
                return new Codec() {
                    @Override
                    public Context extract(Headers headers) {
                        return unbroken.extract(headers);
                    }

                    @Override
                    public Headers inject(Headers headers, Context context) {
                        return unbroken.inject(headers, context);
                    }
                };
            }
        };

        abstract Codec codec(Tracing tracing);
    }

    interface Codec {
        Context extract(Headers headers);

        Headers inject(Headers headers, Context context);
    }

    /** Who. */
    @Param
    public Contender contender;

    /** What the headers carry. */
    @Param({"SAMPLED", "EVERYTHING"})
    public Carried carried;

    private Codec codec;
    private Headers received;
    private Headers toSend;
    private Context context;

    /** Makes the contender, the headers and the context. */
    @Setup
    public void prepare() {
        Tracing tracing = new Tracing();
        codec = contender.codec(tracing);
        received = carried.headers();
        toSend = Carried.applicationHeaders();
        context = tracing.inside(carried.fields());
    }

    /**
     * Reads.
     *
     * @return the context
     */
    @Benchmark
    public Context extract() {
        return codec.extract(received);
    }

    /**
     * Writes.
     *
     * @return the headers
     */
    @Benchmark
    public Headers inject() {
        return codec.inject(toSend, context);
    }
}
