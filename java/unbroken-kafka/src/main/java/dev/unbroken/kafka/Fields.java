package dev.unbroken.kafka;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Headers that are put behind those of an application, and the names (in any case) that they replace there. */
final class Fields {

    private static final List<String> W3C = List.of("traceparent", "tracestate", "baggage");
    private static final int W3C_INITIALS = initial("t") | initial("b");

    private final List<Header> headers = new ArrayList<>(3);
    private List<String> names = List.of();
    private int initials;

    void put(String name, byte[] value) {
        headers.add(new RecordHeader(name, value));
        if (!names.contains(name)) {
            replace(name);
        }
    }

    /** Takes care that no header of this name is left of the application's. */
    void replace(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        if (!names.contains(lower)) {
            names = new ArrayList<>(names);
            names.add(lower);
            initials |= initial(lower);
        }
    }

    /** Takes care that no field of W3C is left of the application's. To be called first. */
    void replaceW3c() {
        names = W3C;
        initials = W3C_INITIALS;
    }

    /** Returns whether the headers of an application stay as they are. */
    boolean isEmpty() {
        return names.isEmpty();
    }

    /** Returns new headers: the application's without those that are replaced, in their order, then these. */
    Headers behind(Headers given) {
        if (given != null && isAnyReplaced(given)) {
            Headers all = new RecordHeaders();
            behind(given, all);
            return all;
        }
        Headers all = new RecordHeaders(given); // the whole list at once; of null none
        headers.forEach(all::add);
        return all;
    }

    /** Puts what {@link #behind} returns into headers that are empty. */
    void behind(Headers given, Headers to) {
        for (Header header : given) {
            if (isKept(header)) {
                to.add(header);
            }
        }
        headers.forEach(to::add);
    }

    private boolean isAnyReplaced(Headers given) {
        for (Header header : given) {
            if (!isKept(header)) {
                return true;
            }
        }
        return false;
    }

    /** One letter of every other header is enough to see that it stays. */
    private boolean isKept(Header header) {
        if (header == null) {
            return false;
        }
        String name = header.key();
        return name == null || (initials & initial(name)) == 0 || !names.contains(name.toLowerCase(Locale.ROOT));
    }

    /** Returns a bit for the first letter of a name, the same for letters that differ in case only. */
    private static int initial(String name) {
        return name.isEmpty() ? 0 : 1 << (name.charAt(0) & 0x1f);
    }
}
