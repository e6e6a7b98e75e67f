package dev.unbroken.bench;

import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** A producer that acknowledges each record at once and does not keep them. */
final class Acknowledging extends MockProducer<String, String> {

    private static final int KEPT = 100;

    private int sent;

    Acknowledging() {
        super(true, new StringSerializer(), new StringSerializer());
    }

    @Override
    public Future<RecordMetadata> send(ProducerRecord<String, String> record, Callback callback) {
        Future<RecordMetadata> future = super.send(record, callback);
        if (++sent == KEPT) {
            sent = 0;
            clear();
        }
        return future;
    }
}
