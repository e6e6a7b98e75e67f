package dev.unbroken.propagation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.opentelemetry.api.baggage.Baggage;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BaggageHeaderTest {

    @ParameterizedTest
    @CsvSource({
        "%C3%A9, \u00e9",
        "%E2%82%AC, \u20ac",
        "%F0%9F%98%80, \ud83d\ude00",
        "%ED%A0%80, \ufffd\ufffd\ufffd",
        "%C0%AF, \ufffd\ufffd",
        "%E0%80%80, \ufffd\ufffd\ufffd",
        "%F0%90%28, \ufffd(",
        "%F4%90%80%80, \ufffd\ufffd\ufffd\ufffd",
        "%E2%82, \ufffd",
        "%80a, \ufffda",
        "%, %",
        "%4, %4",
        "%zz, %zz",
    })
    void brokenOctetsAreReplacedOnceForEachMaximalPart(String encoded, String decoded) {
        assertEquals(decoded, read("a=" + encoded).getEntryValue("a"));
    }

    @Test
    void aNameThatIsNotAsciiIsKeptByTheBuilderToo() {
        Baggage more = read("n%C3%A4me=1").toBuilder().put("b", "2").remove("c").build();
        assertEquals("n%C3%A4me=1,b=2", new String(BaggageHeader.octets(more), StandardCharsets.US_ASCII));
    }

    @Test
    void whatDoesNotFitIsLeftOutWhole() {
        Baggage baggage = Baggage.builder()
                .put("long", "x".repeat(BaggageHeader.MAX_LENGTH))
                .put("short", "1")
                .build();
        assertEquals("short=1", new String(BaggageHeader.octets(baggage), StandardCharsets.US_ASCII));
    }

    private static Baggage read(String header) {
        return BaggageHeader.parse(List.of(header.getBytes(StandardCharsets.US_ASCII)))
                .baggage();
    }
}
