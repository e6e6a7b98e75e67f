package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.unbroken.propagation.Duplicates;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.context.Context;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.Test;

/** Lists of headers made at random, from a fixed seed: pieces of good ones, cut, repeated, changed. */
class FuzzTest {

    private static final int LISTS = 20_000;
    private static final List<String> NAMES = List.of(
            "traceparent",
            "tracestate",
            "baggage",
            "Traceparent",
            "TRACESTATE",
            "Baggage",
            "ce_traceparent",
            "ce_tracestate",
            "b3",
            "",
            "t",
            "id",
            "unbroken-origin",
            "unbroken-attempt",
            "trac\u00e9parent");
    private static final List<String> VALUES = List.of(
            Records.TRACEPARENT,
            Records.OTHER_TRACEPARENT,
            "00-00000000000000000000000000000000-3c7e19ab5d02f468-01",
            "ff-" + Records.TRACE + "-" + Records.SPAN + "-01",
            "01-" + Records.TRACE + "-" + Records.SPAN + "-ff-more",
            "foo=1,bar=2",
            "foo=1,,\tbar@x=2 ,foo=3",
            "=",
            "a=1;p;q=2,b=%C3%BC,c=%E2%82,%=%",
            "a=1;=,b",
            "123456789",
            " ",
            "");

    private final Random random = new Random(20261125);

    @Test
    void theShortWayAndTheFullReaderAgree() {
        Propagation propagation = new Propagation(Propagators.W3C);
        int common = 0;
        for (int list = 0; list < LISTS; list++) {
            List<Header> headers = headers();
            Origin found = Propagation.common(headers);
            if (found != null) {
                assertEquals(propagation.read(headers, Duplicates.LAST, Context.root()), found, headers::toString);
                common++;
            }
        }
        assertTrue(common > LISTS / 20, "too few lists go the short way: " + common);
    }

    @Test
    void nothingRaisesAndNoRecordIsSkipped() {
        try (Telemetry telemetry = Telemetry.create()) {
            Unbroken unbroken = telemetry.unbroken();
            int[] handled = {0};
            for (int list = 0; list < LISTS; list++) {
                RecordHeaders headers = new RecordHeaders(headers());
                ConsumerRecord<byte[], byte[]> record = new ConsumerRecord<>(
                        "orders",
                        0,
                        list,
                        0,
                        TimestampType.CREATE_TIME,
                        -1,
                        -1,
                        octets(),
                        null,
                        headers,
                        Optional.empty());
                unbroken.process(record, given -> handled[0]++);
                assertNotNull(unbroken.forward(record, new IllegalStateException()));
                assertNotNull(unbroken.inject(headers, unbroken.extract(headers)));
                unbroken.receive(List.of(record)).close();
            }
            assertEquals(LISTS, handled[0]);
            assertEquals(2 * LISTS, telemetry.spans().size());
            assertSame(Context.root(), Context.current());
        }
    }

    @Test
    void whatIsWrittenIsReadBack() {
        Unbroken unbroken = Unbroken.create(OpenTelemetry.noop());
        for (int list = 0; list < LISTS; list++) {
            Context context = unbroken.extract(new RecordHeaders(headers()));
            RecordHeaders written = (RecordHeaders) unbroken.inject(null, context);
            assertEquals(written, unbroken.inject(null, unbroken.extract(written)));
        }
    }

    private List<Header> headers() {
        List<Header> headers = new ArrayList<>();
        for (int count = random.nextInt(5); count > 0; count--) {
            String name = NAMES.get(random.nextInt(random.nextBoolean() ? 3 : NAMES.size()));
            headers.add(new RecordHeader(name, random.nextInt(20) == 0 ? null : octets()));
        }
        return headers;
    }

    private byte[] octets() {
        byte[] octets = VALUES.get(random.nextInt(VALUES.size())).getBytes(StandardCharsets.UTF_8);
        if (octets.length > 0 && random.nextInt(4) == 0) {
            octets[random.nextInt(octets.length)] = (byte) random.nextInt(256);
        }
        return random.nextInt(10) == 0 ? Arrays.copyOf(octets, random.nextInt(70)) : octets;
    }
}
