package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.MeterProvider;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.TracerBuilder;
import io.opentelemetry.api.trace.TracerProvider;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.context.propagation.TextMapSetter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.trace.ReadWriteSpan;
import io.opentelemetry.sdk.trace.ReadableSpan;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.SpanProcessor;
import io.opentelemetry.sdk.trace.data.LinkData;
import io.opentelemetry.sdk.trace.samplers.Sampler;
import io.opentelemetry.sdk.trace.samplers.SamplingResult;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Whatever of the telemetry raises, every record is handled and sent, and the application's exceptions pass. */
class FailingTelemetryTest {

    @AfterEach
    void theContextIsCleanAfterwards() {
        assertSame(Context.root(), Context.current());
    }

    static Stream<Named<OpenTelemetry>> failing() {
        return Stream.of(
                Named.of("a sampler", sdk(new Raising(), null)),
                Named.of("a processor at the start", sdk(null, new RaisingProcessor(true, false))),
                Named.of("a processor at the end", sdk(null, new RaisingProcessor(false, true))),
                Named.of("a tracer provider", new Providers(name -> {
                    throw new IllegalStateException("no tracer");
                })),
                Named.of("a tracer", new Providers(name -> spanName -> {
                    throw new NoSuchMethodError("another version of the API");
                })),
                Named.of("a span of null", new Providers(name -> spanName -> null)),
                Named.of(
                        "a propagator",
                        OpenTelemetrySdk.builder()
                                .setPropagators(ContextPropagators.create(new Raising()))
                                .build()),
                Named.of("an instrument", new Measured((MeterProvider) raising(MeterProvider.class))),
                Named.of("everything", new Broken()));
    }

    @ParameterizedTest
    @MethodSource("failing")
    void everyRecordIsHandled(OpenTelemetry openTelemetry) {
        Unbroken unbroken = Unbroken.create(openTelemetry);
        List<Long> handled = new ArrayList<>();
        for (long offset = 0; offset < 3; offset++) {
            unbroken.process(
                    Records.record("orders", offset, "traceparent", Records.TRACEPARENT),
                    record -> handled.add(record.offset()));
        }
        assertEquals(List.of(0L, 1L, 2L), handled);
    }

    @ParameterizedTest
    @MethodSource("failing")
    void theApplicationsExceptionPasses(OpenTelemetry openTelemetry) {
        Unbroken unbroken = Unbroken.create(openTelemetry);
        IllegalArgumentException error = new IllegalArgumentException();
        assertSame(
                error,
                assertThrows(
                        IllegalArgumentException.class,
                        () -> unbroken.process(Records.record(), record -> {
                            throw error;
                        })));
    }

    @ParameterizedTest
    @MethodSource("failing")
    void everyRecordIsSent(OpenTelemetry openTelemetry) {
        MockProducer<String, String> client =
                new MockProducer<>(true, new RoundRobinPartitioner(), new StringSerializer(), new StringSerializer());
        Unbroken.create(openTelemetry).traced(client).send(new ProducerRecord<>("orders", "{}"));
        assertEquals(1, client.history().size());
    }

    @ParameterizedTest
    @MethodSource("failing")
    void everyBatchIsHandled(OpenTelemetry openTelemetry) {
        List<ConsumerRecord<String, String>> records = List.of(Records.record("traceparent", Records.TRACEPARENT));
        Unbroken.create(openTelemetry).receive(records).close();
    }

    @ParameterizedTest
    @MethodSource("failing")
    void headersAreForwardedAndInjected(OpenTelemetry openTelemetry) {
        Unbroken unbroken = Unbroken.create(openTelemetry);
        ConsumerRecord<String, String> record = Records.record("k", "v");
        assertEquals(List.of("v"), Records.values(unbroken.forward(record, new IllegalStateException()), "k"));
        Context context = unbroken.extract(Records.headers("traceparent", Records.TRACEPARENT));
        assertEquals(List.of("v"), Records.values(unbroken.inject(record.headers(), context), "k"));
    }

    @ParameterizedTest
    @MethodSource("failing")
    void headersThatRaiseCostNothing(OpenTelemetry openTelemetry) {
        Unbroken unbroken = Unbroken.create(openTelemetry);
        unbroken.extract(new RaisingHeaders());
    }

    private static OpenTelemetry sdk(Sampler sampler, SpanProcessor processor) {
        var provider = SdkTracerProvider.builder();
        if (sampler != null) {
            provider.setSampler(sampler);
        }
        if (processor != null) {
            provider.addSpanProcessor(processor);
        }
        return OpenTelemetrySdk.builder().setTracerProvider(provider.build()).build();
    }

    private static final class Raising implements Sampler, TextMapPropagator {

        @Override
        public SamplingResult shouldSample(
                Context parent,
                String traceId,
                String name,
                SpanKind kind,
                Attributes attributes,
                List<LinkData> parentLinks) {
            throw new IllegalStateException("no sample");
        }

        @Override
        public String getDescription() {
            return "raises";
        }

        @Override
        public Collection<String> fields() {
            return List.of("x-trace");
        }

        @Override
        public <C> void inject(Context context, C carrier, TextMapSetter<C> setter) {
            throw new IllegalStateException("no injection");
        }

        @Override
        public <C> Context extract(Context context, C carrier, TextMapGetter<C> getter) {
            throw new IllegalStateException("no extraction");
        }
    }

    private record RaisingProcessor(boolean isStartRequired, boolean isEndRequired) implements SpanProcessor {

        @Override
        public void onStart(Context parent, ReadWriteSpan span) {
            throw new IllegalStateException("no start");
        }

        @Override
        public void onEnd(ReadableSpan span) {
            throw new IllegalStateException("no end");
        }
    }

    private record Providers(Tracers tracers) implements OpenTelemetry, TracerProvider {

        interface Tracers {
            Tracer get(String name);
        }

        @Override
        public TracerProvider getTracerProvider() {
            return this;
        }

        @Override
        public Tracer get(String name) {
            return tracers.get(name);
        }

        @Override
        public Tracer get(String name, String version) {
            return tracers.get(name);
        }

        @Override
        public TracerBuilder tracerBuilder(String name) {
            Tracer tracer = tracers.get(name);
            return new TracerBuilder() {
                @Override
                public TracerBuilder setSchemaUrl(String schemaUrl) {
                    return this;
                }

                @Override
                public TracerBuilder setInstrumentationVersion(String version) {
                    return this;
                }

                @Override
                public Tracer build() {
                    return tracer;
                }
            };
        }

        @Override
        public ContextPropagators getPropagators() {
            return ContextPropagators.noop();
        }
    }

    private record Measured(MeterProvider getMeterProvider) implements OpenTelemetry {

        @Override
        public TracerProvider getTracerProvider() {
            return TracerProvider.noop();
        }

        @Override
        public ContextPropagators getPropagators() {
            return ContextPropagators.noop();
        }
    }

    /** Returns what makes meters and instruments, down to the first that measures: that raises. */
    private static Object raising(Class<?> type) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            if (method.getReturnType() == void.class) {
                throw new IllegalStateException("no measurement");
            }
            return raising(method.getReturnType());
        });
    }

    private static final class Broken implements OpenTelemetry {

        @Override
        public TracerProvider getTracerProvider() {
            throw new IllegalStateException("no tracers");
        }

        @Override
        public MeterProvider getMeterProvider() {
            throw new IllegalStateException("no meters");
        }

        @Override
        public ContextPropagators getPropagators() {
            throw new IllegalStateException("no propagators");
        }
    }

    /** Headers of a client that nobody has seen. */
    private static final class RaisingHeaders implements Headers {

        @Override
        public Headers add(Header header) {
            return this;
        }

        @Override
        public Headers add(String key, byte[] value) {
            return this;
        }

        @Override
        public Headers remove(String key) {
            return this;
        }

        @Override
        public Header lastHeader(String key) {
            return null;
        }

        @Override
        public Iterable<Header> headers(String key) {
            return List.of();
        }

        @Override
        public Header[] toArray() {
            return new Header[0];
        }

        @Override
        public Iterator<Header> iterator() {
            throw new IllegalStateException("no headers");
        }
    }
}
