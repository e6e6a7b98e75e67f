package dev.unbroken.kafka;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Names of attributes and metrics, once, and what they hold: OpenTelemetry semantic conventions 1.44. */
final class Semconv {

    static final String SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0";

    static final AttributeKey<String> SYSTEM = AttributeKey.stringKey("messaging.system");
    static final AttributeKey<String> OPERATION_NAME = AttributeKey.stringKey("messaging.operation.name");
    static final AttributeKey<String> OPERATION_TYPE = AttributeKey.stringKey("messaging.operation.type");
    static final AttributeKey<String> DESTINATION = AttributeKey.stringKey("messaging.destination.name");
    static final AttributeKey<String> PARTITION = AttributeKey.stringKey("messaging.destination.partition.id");
    static final AttributeKey<String> GROUP = AttributeKey.stringKey("messaging.consumer.group.name");
    static final AttributeKey<String> CLIENT_ID = AttributeKey.stringKey("messaging.client.id");
    static final AttributeKey<Long> MESSAGE_COUNT = AttributeKey.longKey("messaging.batch.message_count");
    static final AttributeKey<Long> OFFSET = AttributeKey.longKey("messaging.kafka.offset");
    static final AttributeKey<String> KEY = AttributeKey.stringKey("messaging.kafka.message.key");
    static final AttributeKey<Boolean> TOMBSTONE = AttributeKey.booleanKey("messaging.kafka.message.tombstone");
    static final AttributeKey<String> SERVER_ADDRESS = AttributeKey.stringKey("server.address");
    static final AttributeKey<Long> SERVER_PORT = AttributeKey.longKey("server.port");
    static final AttributeKey<String> ERROR_TYPE = AttributeKey.stringKey("error.type");
    static final AttributeKey<String> MALFORMED_FIELD = AttributeKey.stringKey("unbroken.carrier.field");

    static final String PROCESS_DURATION = "messaging.process.duration";
    static final String OPERATION_DURATION = "messaging.client.operation.duration";
    static final String SENT_MESSAGES = "messaging.client.sent.messages";
    static final String CONSUMED_MESSAGES = "messaging.client.consumed.messages";
    // The two that the conventions lack.
    static final String QUEUE_DURATION = "unbroken.queue.duration";
    static final String MALFORMED_CARRIERS = "unbroken.carriers.malformed";

    /** Boundaries of the duration histograms, in seconds. */
    static final List<Double> DURATION_BUCKETS =
            List.of(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0);

    static final String KAFKA = "kafka";
    static final String PROCESS = "process";
    static final String POLL = "poll";
    static final String RECEIVE = "receive";
    static final String SEND = "send";

    /** Characters of a text that comes from a record, as an attribute. */
    private static final int MAX_TEXT = 1024;

    private Semconv() {}

    /** What takes attributes: the builder of a span, or of attributes. */
    interface Attributed {
        <T> Object put(AttributeKey<T> key, T value);
    }

    /** Puts the attributes of the process span of a record; the key only when the policy says so. */
    static void processing(ConsumerRecord<?, ?> record, ConsumerFacts consumer, Policy policy, Attributed span) {
        putOperation(PROCESS, PROCESS, span);
        span.put(DESTINATION, record.topic());
        putVarying(record, policy, span);
        putConsumer(consumer, span);
    }

    /** Returns what differs between the records of a batch: partition, offset, key, tombstone. */
    static Attributes varying(ConsumerRecord<?, ?> record, Policy policy) {
        AttributesBuilder attributes = Attributes.builder();
        putVarying(record, policy, attributes::put);
        return attributes.build();
    }

    /** Puts the attributes of the span of a batch; the topic only when there is one for all, else null. */
    static void receiving(String topic, int count, ConsumerFacts consumer, Attributed span) {
        putOperation(POLL, RECEIVE, span);
        span.put(MESSAGE_COUNT, (long) count);
        putUnlessNull(DESTINATION, topic, span);
        putConsumer(consumer, span);
    }

    /** Puts the attributes of the send span of a record; the partition only when the application chose it. */
    static void sending(ProducerRecord<?, ?> record, ProducerFacts producer, Policy policy, Attributed span) {
        putOperation(SEND, SEND, span);
        span.put(DESTINATION, record.topic());
        if (record.partition() != null) {
            span.put(PARTITION, record.partition().toString());
        }
        putMessage(record.key(), record.value(), policy, span);
        putFact(CLIENT_ID, producer.clientId(), span);
        putServer(producer.serverAddress(), producer.serverPort(), span);
    }

    /** Returns what goes on the metrics of an operation; each but its name may be null. */
    static Attributes labels(String operation, String topic, String group, String address, Integer port) {
        AttributesBuilder labels = Attributes.builder().put(SYSTEM, KAFKA).put(OPERATION_NAME, operation);
        putUnlessNull(DESTINATION, topic, labels::put);
        putFact(GROUP, group, labels::put);
        putServer(address, port, labels::put);
        return labels.build();
    }

    /** Returns labels with the type of an error, unless it is null. */
    static Attributes failed(Attributes labels, Throwable error) {
        return error == null
                ? labels
                : labels.toBuilder().put(ERROR_TYPE, errorType(error)).build();
    }

    /** Returns what {@code error.type} holds for an exception: the name of its class. */
    static String errorType(Throwable error) {
        return error.getClass().getName();
    }

    /** Returns {@code name: text} of an exception, only the name when its text cannot be had. */
    static String errorText(Throwable error, String name) {
        try {
            String message = error.getMessage();
            return message == null ? name : name + ": " + message;
        } catch (RuntimeException failure) { // its getMessage may raise anything
            return name;
        }
    }

    /**
     * Returns the string form of a key: text, octets in UTF-8, a number, a UUID; null for what has none. It is what every
     * exporter takes: at most {@value #MAX_TEXT} characters (code points), and {@code ?} for half of a surrogate pair.
     */
    static String text(Object key) {
        if (key instanceof String || key instanceof Number || key instanceof UUID) {
            return exportable(key.toString());
        }
        return key instanceof byte[] octets ? exportable(decoded(octets)) : null;
    }

    /** Returns octets as text, null when they are not UTF-8. */
    static String decoded(byte[] octets) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(octets))
                    .toString();
        } catch (CharacterCodingException notText) {
            return null;
        }
    }

    /** Returns a text as every exporter takes it, null for null. */
    static String exportable(String text) {
        if (text == null || isExportable(text)) {
            return text;
        }
        StringBuilder kept = new StringBuilder(MAX_TEXT);
        text.codePoints()
                .limit(MAX_TEXT)
                .map(character -> Character.getType(character) == Character.SURROGATE ? '?' : character)
                .forEach(kept::appendCodePoint);
        return kept.toString();
    }

    /** Returns whether a text is short, and has no character in two halves that would have to be looked at. */
    private static boolean isExportable(String text) {
        if (text.length() > MAX_TEXT) {
            return false;
        }
        for (int position = 0; position < text.length(); position++) {
            if (Character.isSurrogate(text.charAt(position))) {
                return false;
            }
        }
        return true;
    }

    private static void putOperation(String name, String type, Attributed span) {
        span.put(SYSTEM, KAFKA);
        span.put(OPERATION_NAME, name);
        span.put(OPERATION_TYPE, type);
    }

    private static void putVarying(ConsumerRecord<?, ?> record, Policy policy, Attributed attributes) {
        if (record.partition() >= 0) {
            attributes.put(PARTITION, Integer.toString(record.partition()));
        }
        if (record.offset() >= 0) {
            attributes.put(OFFSET, record.offset());
        }
        putMessage(record.key(), record.value(), policy, attributes);
    }

    private static void putMessage(Object key, Object value, Policy policy, Attributed attributes) {
        if (key != null && policy.messageKey()) {
            putUnlessNull(KEY, text(key), attributes);
        }
        if (value == null) {
            attributes.put(TOMBSTONE, true);
        }
    }

    private static void putConsumer(ConsumerFacts consumer, Attributed attributes) {
        putFact(GROUP, consumer.group(), attributes);
        putFact(CLIENT_ID, consumer.clientId(), attributes);
        putServer(consumer.serverAddress(), consumer.serverPort(), attributes);
    }

    private static void putServer(String address, Integer port, Attributed attributes) {
        putFact(SERVER_ADDRESS, address, attributes);
        if (address != null && port != null) {
            attributes.put(SERVER_PORT, port.longValue());
        }
    }

    /** Puts what a client tells of itself; an empty text tells nothing. */
    private static void putFact(AttributeKey<String> key, String value, Attributed attributes) {
        if (value != null && !value.isEmpty()) {
            attributes.put(key, value);
        }
    }

    private static void putUnlessNull(AttributeKey<String> key, String value, Attributed attributes) {
        if (value != null) {
            attributes.put(key, value);
        }
    }
}
