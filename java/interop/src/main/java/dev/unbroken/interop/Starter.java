package dev.unbroken.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.opentelemetry.api.trace.Span;
import java.io.IOException;
import java.io.PrintStream;
import java.util.Map;
import org.springframework.boot.SpringApplication;

/** Who has started a service of the chain: it reads the standard output, and ends the service by its standard input. */
public final class Starter {

    private static final ObjectMapper JSON = new ObjectMapper();

    private Starter() {}

    /**
     * Runs a Spring application until the starter does not want it any more.
     *
     * @param application its class
     * @param properties defaults of its properties
     * @throws IOException when the standard input cannot be read
     */
    public static void serve(Class<?> application, Map<String, Object> properties) throws IOException {
        SpringApplication spring = new SpringApplication(application);
        spring.setDefaultProperties(properties);
        try (var context = spring.run()) {
            System.out.println("ready");
            System.in.transferTo(PrintStream.nullOutputStream());
        }
    }

    /**
     * Tells in which trace an order was met.
     *
     * @param order the order
     * @param span a span of that trace
     */
    public static void tell(String order, Span span) {
        try {
            System.out.println(JSON.writeValueAsString(
                    Map.of("order", order, "trace", span.getSpanContext().getTraceId())));
        } catch (JsonProcessingException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
