package dev.unbroken.propagation;

import io.opentelemetry.api.trace.TraceState;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The {@code tracestate} field, by section 3.3 of Trace Context level 2. */
public final class TraceStateHeader {

    /** Members that are read at most. */
    public static final int MAX_MEMBERS = 32;

    /** Characters that are written at most: what other OpenTelemetry SDKs read. W3C asks for at least 512. */
    public static final int MAX_LENGTH = 8192;

    private static final int MAX_PART = 256;
    private static final int LONG_MEMBER = 128;
    private static final int MEMBER_LENGTH = 32; // a guess: room for most

    private TraceStateHeader() {}

    /**
     * Returns the members of all {@code tracestate} headers of a carrier, in order; of duplicate keys the first.
     *
     * @param values the values of the headers, in order
     * @return the state, or null when one member breaks the grammar or there are more than 32, empty ones too
     */
    public static TraceState parse(List<byte[]> values) {
        Map<String, String> members = new LinkedHashMap<>();
        int count = 0;
        for (byte[] value : values) {
            for (Octets member : Octets.of(value).list(MAX_MEMBERS + 1)) {
                count++;
                if (count > MAX_MEMBERS) {
                    return null;
                }
                if (member.length() == 0) {
                    continue;
                }
                int equals = equalsOf(member);
                if (equals < 0) {
                    return null;
                }
                members.putIfAbsent(
                        new Octets(member.bytes(), member.start(), equals).text(),
                        new Octets(member.bytes(), equals + 1, member.end()).text());
            }
        }
        return members.isEmpty() ? TraceState.getDefault() : new ListMembers(members);
    }

    /**
     * Returns the text of a state, of at most 8192 characters: whole members are left out until it fits, first those
     * over 128 characters, then from the end (section 3.3.1.5).
     *
     * @param state any state
     * @return the text, empty when nothing is left
     */
    public static String format(TraceState state) {
        StringBuilder all = new StringBuilder(MEMBER_LENGTH * state.size());
        state.forEach((key, value) ->
                all.append(all.isEmpty() ? "" : ",").append(key).append('=').append(value));
        return all.length() <= MAX_LENGTH ? all.toString() : shortened(state);
    }

    private static String shortened(TraceState state) {
        List<String> members = new ArrayList<>(state.size());
        state.forEach((key, value) -> members.add(key + '=' + value));
        int excess = members.stream().mapToInt(String::length).sum() + members.size() - 1 - MAX_LENGTH;
        for (int position = members.size() - 1; excess > 0 && position >= 0; position--) {
            if (members.get(position).length() > LONG_MEMBER) {
                excess -= members.remove(position).length() + 1;
            }
        }
        while (excess > 0 && !members.isEmpty()) {
            excess -= members.remove(members.size() - 1).length() + 1;
        }
        return String.join(",", members);
    }

    /**
     * Returns the octets of {@link #format}.
     *
     * @param state any state
     * @return ASCII; a character of an application's own that is none becomes a question mark
     */
    public static byte[] octets(TraceState state) {
        return format(state).getBytes(StandardCharsets.US_ASCII);
    }

    /** Returns where the {@code =} of a well-formed member stands, -1 in any other. */
    private static int equalsOf(Octets member) {
        byte[] bytes = member.bytes();
        int equals = member.start();
        int longest = Math.min(member.end(), member.start() + MAX_PART + 1);
        while (equals < longest && isOfKey(bytes[equals])) {
            equals++;
        }
        int keyLength = equals - member.start();
        int valueLength = member.end() - equals - 1;
        if (keyLength == 0 || keyLength > MAX_PART || valueLength < 1 || valueLength > MAX_PART) {
            return -1;
        }
        if (bytes[equals] != '=' || !isFirstOfKey(bytes[member.start()]) || bytes[member.end() - 1] == ' ') {
            return -1;
        }
        for (int position = equals + 1; position < member.end(); position++) {
            byte octet = bytes[position];
            if (octet < 0x20 || octet > 0x7e || octet == '=' || octet == ',') {
                return -1;
            }
        }
        return equals;
    }

    private static boolean isFirstOfKey(byte octet) {
        return (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9');
    }

    private static boolean isOfKey(byte octet) {
        return isFirstOfKey(octet) || octet == '_' || octet == '-' || octet == '*' || octet == '/' || octet == '@';
    }
}
