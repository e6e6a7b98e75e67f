package dev.unbroken.spring.kafka;

import dev.unbroken.kafka.ConsumerFacts;
import dev.unbroken.kafka.ProducerFacts;
import java.util.Collection;
import java.util.Iterator;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;

/** What a client and its settings tell without asking the broker. Nothing here raises: what is not known is null. */
final class ClientFacts {

    /** As Kafka reads it: {@code [protocol://]host:port}, IPv6 in brackets. */
    private static final Pattern SERVER = Pattern.compile("(?:[\\w.%-]*://)?\\[?([\\w.%:-]+?)]?:(\\d{1,9})");

    private final Supplier<? extends Map<String, ?>> settings;

    /** Returns facts about clients that were made from these settings; the settings are asked for when they are needed. */
    ClientFacts(Supplier<? extends Map<String, ?>> settings) {
        this.settings = settings;
    }

    ConsumerFacts of(Consumer<?, ?> consumer) {
        Matcher server = server();
        return new ConsumerFacts(group(consumer), consumerId(consumer), host(server), port(server));
    }

    ProducerFacts of(Producer<?, ?> producer) {
        Matcher server = server();
        return new ProducerFacts(producerId(producer), host(server), port(server));
    }

    private static String group(Consumer<?, ?> consumer) {
        try {
            return nonEmpty(consumer.groupMetadata().groupId());
        } catch (RuntimeException noGroup) { // a consumer that assigns its partitions needs none, and then raises
            return null;
        }
    }

    private static String consumerId(Consumer<?, ?> consumer) {
        try {
            return clientId(consumer.metrics());
        } catch (RuntimeException untold) {
            return null;
        }
    }

    private static String producerId(Producer<?, ?> producer) {
        try {
            return clientId(producer.metrics());
        } catch (RuntimeException untold) {
            return null;
        }
    }

    /** Returns the client id: the clients have no getter for it, but each of their metrics is tagged with it. */
    private static String clientId(Map<MetricName, ? extends Metric> metrics) {
        Iterator<MetricName> names = metrics.keySet().iterator();
        return names.hasNext() ? nonEmpty(names.next().tags().get("client-id")) : null;
    }

    /** Returns host and port of the only bootstrap server, null where there are several. */
    private Matcher server() {
        try {
            Map<String, ?> known = settings.get();
            Object servers = known == null ? null : known.get(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG);
            if (servers instanceof Collection<?> several) {
                servers = several.size() == 1 ? several.iterator().next() : null;
            }
            if (servers == null) {
                return null;
            }
            Matcher server = SERVER.matcher(servers.toString().trim());
            return server.matches() ? server : null;
        } catch (RuntimeException untold) {
            return null;
        }
    }

    private static String host(Matcher server) {
        return server == null ? null : server.group(1);
    }

    private static Integer port(Matcher server) {
        return server == null ? null : Integer.valueOf(server.group(2));
    }

    private static String nonEmpty(String text) {
        return text == null || text.isEmpty() ? null : text;
    }
}
