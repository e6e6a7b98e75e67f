package dev.unbroken.spring.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.unbroken.kafka.ConsumerFacts;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClientFactsTest {

    @ParameterizedTest
    @CsvSource({
        "broker:9092, broker, 9092",
        "PLAINTEXT://broker.example.com:9092, broker.example.com, 9092",
        "[::1]:9092, ::1, 9092",
        "SSL://[2001:db8::1]:9093, 2001:db8::1, 9093",
        "' 127.0.0.1:9092 ', 127.0.0.1, 9092",
    })
    void theOnlyServerIsKnown(String servers, String address, int port) {
        assertEquals(
                new ConsumerFacts(Consumers.GROUP, null, address, port), factsOf(Map.of("bootstrap.servers", servers)));
    }

    @Test
    void theOnlyServerOfAListIsKnown() {
        assertEquals(
                new ConsumerFacts(Consumers.GROUP, null, "broker", 9092),
                factsOf(Map.of("bootstrap.servers", List.of("broker:9092"))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"one:9092,two:9092", "", "broker", "broker:port", ":9092"})
    void ofSeveralServersOrNoneNothingIsKnown(String servers) {
        assertEquals(
                new ConsumerFacts(Consumers.GROUP, null, null, null), factsOf(Map.of("bootstrap.servers", servers)));
    }

    @Test
    void settingsThatCannotBeHadAreNoFacts() {
        ClientFacts facts = new ClientFacts(() -> {
            throw new IllegalStateException();
        });
        assertEquals(new ConsumerFacts(Consumers.GROUP, null, null, null), facts.of(Consumers.mock()));
    }

    private static ConsumerFacts factsOf(Map<String, ?> settings) {
        return new ClientFacts(() -> settings).of(Consumers.mock());
    }
}
