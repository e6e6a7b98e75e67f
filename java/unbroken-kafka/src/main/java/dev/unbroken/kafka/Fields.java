package dev.unbroken.kafka;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** Headers that are put behind those of an application, and the names (in any case) that they replace there. */
final class Fields {

    private final List<Header> headers = new ArrayList<>(3);
    private final Set<String> names = new HashSet<>(4);
    private int initials;

    void put(String name, byte[] value) {
        headers.add(new RecordHeader(name, value));
        replace(name);
    }

    /** Takes care that no header of this name is left of the application's. */
    void replace(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        names.add(lower);
        initials |= initial(lower);
    }

    /** Returns whether the headers of an application stay as they are. */
    boolean isEmpty() {
        return names.isEmpty();
    }

    /** Returns the headers of the application, without those that are replaced and in their order, then these. */
    List<Header> behind(Iterable<Header> given) {
        List<Header> replaced = new ArrayList<>();
        if (given != null) {
            for (Header header : given) {
                if (header != null && !isReplaced(header.key())) {
                    replaced.add(header);
                }
            }
        }
        replaced.addAll(headers);
        return replaced;
    }

    /** One letter of every other header is enough to see that it stays. */
    private boolean isReplaced(String name) {
        return name != null && (initials & initial(name)) != 0 && names.contains(name.toLowerCase(Locale.ROOT));
    }

    /** Returns a bit for the first letter of a name, the same for letters that differ in case only. */
    private static int initial(String name) {
        return name.isEmpty() ? 0 : 1 << (name.charAt(0) & 0x1f);
    }
}
