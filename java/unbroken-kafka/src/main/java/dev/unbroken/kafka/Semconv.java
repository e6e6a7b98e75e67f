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

    private static final List<AttributeKey<String>> TEXT_LABELS =
            List.of(OPERATION_NAME, SYSTEM, DESTINATION, GROUP, SERVER_ADDRESS);

    static final String KAFKA = "kafka";
    static final String PROCESS = "process";
    static final String POLL = "poll";
    static final String RECEIVE = "receive";
    static final String SEND = "send";

    private Semconv() {}

    /** Returns the attributes of the process span of a record; the key only when the policy says so. */
    static Attributes processing(ConsumerRecord<?, ?> record, ConsumerFacts consumer, Policy policy) {
        AttributesBuilder attributes = operation(PROCESS, PROCESS).put(DESTINATION, record.topic());
        putVarying(record, policy, attributes);
        putConsumer(consumer, attributes);
        return attributes.build();
    }

    /** Returns what differs between the records of a batch: partition, offset, key, tombstone. */
    static Attributes varying(ConsumerRecord<?, ?> record, Policy policy) {
        AttributesBuilder attributes = Attributes.builder();
        putVarying(record, policy, attributes);
        return attributes.build();
    }

    /** Returns the attributes of the span of a batch; the topic only when there is one for all, else null. */
    static Attributes receiving(String topic, int count, ConsumerFacts consumer) {
        AttributesBuilder attributes = operation(POLL, RECEIVE).put(MESSAGE_COUNT, (long) count);
        putUnlessNull(DESTINATION, topic, attributes);
        putConsumer(consumer, attributes);
        return attributes.build();
    }

    /** Returns the attributes of the send span of a record; the partition only when the application chose it. */
    static Attributes sending(ProducerRecord<?, ?> record, ProducerFacts producer, Policy policy) {
        AttributesBuilder attributes = operation(SEND, SEND).put(DESTINATION, record.topic());
        if (record.partition() != null) {
            attributes.put(PARTITION, record.partition().toString());
        }
        putMessage(record.key(), record.value(), policy, attributes);
        putFact(CLIENT_ID, producer.clientId(), attributes);
        putServer(producer.serverAddress(), producer.serverPort(), attributes);
        return attributes.build();
    }

    /** Returns those of a span's attributes that go on its metrics. */
    static Attributes labels(Attributes attributes) {
        AttributesBuilder labels = Attributes.builder();
        for (AttributeKey<String> key : TEXT_LABELS) {
            putUnlessNull(key, attributes.get(key), labels);
        }
        Long port = attributes.get(SERVER_PORT);
        return port == null ? labels.build() : labels.put(SERVER_PORT, port).build();
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

    /** Returns the string form of a key: text, octets in UTF-8, a number, a UUID; null for what has none. */
    static String text(Object key) {
        if (key instanceof String || key instanceof Number || key instanceof UUID) {
            return key.toString();
        }
        if (key instanceof byte[] octets) {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(octets))
                        .toString();
            } catch (CharacterCodingException notText) {
                return null;
            }
        }
        return null;
    }

    private static AttributesBuilder operation(String name, String type) {
        return Attributes.builder().put(SYSTEM, KAFKA).put(OPERATION_NAME, name).put(OPERATION_TYPE, type);
    }

    private static void putVarying(ConsumerRecord<?, ?> record, Policy policy, AttributesBuilder attributes) {
        attributes.put(PARTITION, Integer.toString(record.partition())).put(OFFSET, record.offset());
        putMessage(record.key(), record.value(), policy, attributes);
    }

    private static void putMessage(Object key, Object value, Policy policy, AttributesBuilder attributes) {
        if (key != null && policy.messageKey()) {
            putUnlessNull(KEY, text(key), attributes);
        }
        if (value == null) {
            attributes.put(TOMBSTONE, true);
        }
    }

    private static void putConsumer(ConsumerFacts consumer, AttributesBuilder attributes) {
        putFact(GROUP, consumer.group(), attributes);
        putFact(CLIENT_ID, consumer.clientId(), attributes);
        putServer(consumer.serverAddress(), consumer.serverPort(), attributes);
    }

    private static void putServer(String address, Integer port, AttributesBuilder attributes) {
        putFact(SERVER_ADDRESS, address, attributes);
        if (address != null && port != null) {
            attributes.put(SERVER_PORT, port.longValue());
        }
    }

    /** Puts what a client tells of itself; an empty text tells nothing. */
    private static void putFact(AttributeKey<String> key, String value, AttributesBuilder attributes) {
        if (value != null && !value.isEmpty()) {
            attributes.put(key, value);
        }
    }

    private static void putUnlessNull(AttributeKey<String> key, String value, AttributesBuilder attributes) {
        if (value != null) {
            attributes.put(key, value);
        }
    }
}
