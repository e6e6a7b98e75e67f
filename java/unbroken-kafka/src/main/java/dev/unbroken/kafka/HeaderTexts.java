package dev.unbroken.kafka;

import dev.unbroken.propagation.Duplicates;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import org.apache.kafka.common.header.Header;

/**
 * The headers of a record as a propagator other than W3C reads them: a value that is not UTF-8 is none, and of several
 * values of a name the newest counts, or the oldest.
 *
 * <p>A header is found by its name wherever it stands. A propagator that looks through the names is shown those of
 * {@value #MAX_SHOWN} headers: it may do anything with each of them, and a record may have tens of thousands.
 */
final class HeaderTexts {

    static final TextMapGetter<HeaderTexts> GETTER = new Getter();

    private static final int MAX_SHOWN = 128;

    private final Iterable<Header> headers;
    private final boolean isNewestFirst;
    private final Map<String, Text> shown = new LinkedHashMap<>(); // by the name in lower case

    HeaderTexts(Iterable<Header> headers, Duplicates duplicates) {
        this.headers = headers;
        isNewestFirst = duplicates == Duplicates.LAST;
        for (Header header : those(header -> true)) {
            String text = Semconv.decoded(header.value());
            if (text != null) {
                shown.putIfAbsent(header.key().toLowerCase(Locale.ROOT), new Text(header.key(), text));
            }
        }
    }

    private record Text(String name, String value) {}

    private Iterable<String> keys() {
        return shown.values().stream().map(Text::name).toList();
    }

    private String get(String name) {
        Text known = shown.get(name.toLowerCase(Locale.ROOT));
        if (known != null) {
            return known.value();
        }
        for (Header header : those(header -> header.key().equalsIgnoreCase(name))) {
            String text = Semconv.decoded(header.value());
            if (text != null) {
                return text;
            }
        }
        return null;
    }

    /** Returns the headers with a value that are wanted, no more than are shown; first the one that counts. */
    private Deque<Header> those(Predicate<Header> wanted) {
        Deque<Header> found = new ArrayDeque<>();
        for (Header header : headers) {
            if (header == null || header.key() == null || header.value() == null || !wanted.test(header)) {
                continue;
            }
            if (!isNewestFirst) {
                found.addLast(header);
                if (found.size() == MAX_SHOWN) {
                    break;
                }
            } else {
                found.addFirst(header);
                if (found.size() > MAX_SHOWN) {
                    found.removeLast();
                }
            }
        }
        return found;
    }

    private static final class Getter implements TextMapGetter<HeaderTexts> {

        @Override
        @SuppressWarnings("deprecation") // in the newest API; older ones ask for it
        public Iterable<String> keys(HeaderTexts carrier) {
            return carrier.keys();
        }

        @Override
        public String get(HeaderTexts carrier, String key) {
            return carrier == null ? null : carrier.get(key);
        }
    }
}
