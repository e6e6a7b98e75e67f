package dev.unbroken.propagation;

import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.baggage.BaggageEntry;
import io.opentelemetry.api.baggage.BaggageEntryMetadata;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the {@code baggage} headers of a carrier hold, by W3C Baggage; and how baggage is written.
 *
 * @param baggage the members; of two with one name the last
 * @param malformed how many members broke the grammar, and one more when members were lost to a limit
 */
public record BaggageHeader(Baggage baggage, int malformed) {

    /** Members that are read and written at most. */
    public static final int MAX_MEMBERS = 64;

    /** Octets that are read and written at most. */
    public static final int MAX_LENGTH = 8192;

    private static final int MEMBER_LENGTH = 24; // a guess: room for most

    // What is written without percent-encoding: what the grammar allows, without "%" (it starts an encoding), and
    // without "+", which some readers turn into a space.
    private static final boolean[] VALUE_SAFE = Percent.safe("!#$&'()*-./:<=>?@[]^_`{|}~");
    private static final boolean[] NAME_SAFE = Percent.safe("!#$&'*-.^_`|~");
    // What is read.
    private static final boolean[] NAME = Percent.safe("!#$%&'*+-.^_`|~");
    private static final boolean[] VALUE = Percent.safe("!#$%&'()*+-./:<=>?@[]^_`{|}~");

    private static final BaggageHeader NONE = new BaggageHeader(Baggage.empty(), 0);

    /**
     * Returns what the headers hold: a member that breaks the grammar is left out alone, and reading stops at the first
     * that does not fit into 64 members, empty ones too, and 8192 octets.
     *
     * @param values the values of the headers, in order
     * @return never null
     */
    public static BaggageHeader parse(List<byte[]> values) {
        if (values.isEmpty()) {
            return NONE;
        }
        Map<String, BaggageEntry> members = new LinkedHashMap<>();
        int malformed = 0;
        int count = 0;
        int length = 0;
        for (byte[] value : values) {
            for (Octets member : Octets.of(value).list(MAX_MEMBERS + 1)) {
                count++;
                length += member.length() + (count > 1 ? 1 : 0);
                if (count > MAX_MEMBERS || length > MAX_LENGTH) {
                    return of(members, malformed + 1);
                }
                if (member.length() > 0 && !put(member.text(), members)) {
                    malformed++;
                }
            }
        }
        return of(members, malformed);
    }

    /**
     * Returns the octets of a header with at most 64 members and 8192 octets; a member that does not fit is left out
     * whole.
     *
     * @param baggage any baggage
     * @return ASCII, empty when there is nothing to write
     */
    public static byte[] octets(Baggage baggage) {
        StringBuilder header = new StringBuilder(MEMBER_LENGTH * baggage.size());
        int[] count = {0};
        baggage.forEach((name, entry) -> {
            if (!name.isEmpty() && count[0] < MAX_MEMBERS) {
                int before = header.length();
                write(name, entry, header);
                if (header.length() > MAX_LENGTH) {
                    header.setLength(before);
                } else {
                    count[0]++;
                }
            }
        });
        return header.toString().getBytes(StandardCharsets.US_ASCII);
    }

    private static BaggageHeader of(Map<String, BaggageEntry> members, int malformed) {
        return new BaggageHeader(members.isEmpty() ? Baggage.empty() : new Members(members), malformed);
    }

    private static void write(String name, BaggageEntry entry, StringBuilder header) {
        if (!header.isEmpty()) {
            header.append(',');
        }
        Percent.write(name, NAME_SAFE, header);
        header.append('=');
        Percent.write(entry.getValue(), VALUE_SAFE, header);
        String properties = entry.getMetadata().getValue();
        if (!properties.isEmpty() && areProperties(properties)) {
            header.append(';').append(properties);
        }
    }

    /** Puts a member among the others and returns true, false when it breaks the grammar. */
    private static boolean put(String text, Map<String, BaggageEntry> members) {
        int semicolon = text.indexOf(';');
        String member = semicolon < 0 ? text : text.substring(0, semicolon);
        String properties = semicolon < 0 ? "" : text.substring(semicolon + 1);
        int equals = member.indexOf('=');
        if (equals < 0 || (semicolon >= 0 && !areProperties(properties))) {
            return false;
        }
        String name = withoutBlanksBehind(member.substring(0, equals));
        String value = withoutBlanks(member.substring(equals + 1));
        if (!isName(name) || !isValue(value)) {
            return false;
        }
        String kept = withoutBlanks(properties);
        BaggageEntryMetadata metadata =
                kept.isEmpty() ? BaggageEntryMetadata.empty() : BaggageEntryMetadata.create(kept);
        members.put(Percent.decoded(name), new Members.Entry(Percent.decoded(value), metadata));
        return true;
    }

    private static boolean areProperties(String text) {
        for (String property : text.split(";", -1)) {
            int equals = property.indexOf('=');
            String name = withoutBlanks(equals < 0 ? property : property.substring(0, equals));
            if (!isName(name) || (equals >= 0 && !isValue(withoutBlanks(property.substring(equals + 1))))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isName(String text) {
        return !text.isEmpty() && Percent.areIn(NAME, text);
    }

    private static boolean isValue(String text) {
        return Percent.areIn(VALUE, text);
    }

    private static String withoutBlanks(String text) {
        int start = 0;
        while (start < text.length() && Octets.isBlank(text.charAt(start))) {
            start++;
        }
        return withoutBlanksBehind(text.substring(start));
    }

    private static String withoutBlanksBehind(String text) {
        int end = text.length();
        while (end > 0 && Octets.isBlank(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(0, end);
    }
}
