package dev.unbroken.propagation;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A part of the octets of a header, without the white space around it. */
record Octets(byte[] bytes, int start, int end) {

    private static final byte[] NONE = new byte[0];

    /** Returns a whole value without the white space around it; of null, as of an empty one, nothing. */
    static Octets of(byte[] value) {
        byte[] bytes = value == null ? NONE : value;
        return trimmed(bytes, 0, bytes.length);
    }

    int length() {
        return end - start;
    }

    /** Returns the first parts between commas, without the white space around them; empty ones, too. */
    List<Octets> list(int limit) {
        List<Octets> parts = new ArrayList<>();
        int from = start;
        while (from <= end && parts.size() < limit) {
            int comma = commaFrom(from);
            parts.add(trimmed(bytes, from, comma));
            from = comma + 1;
        }
        return parts;
    }

    /** Returns where the next comma stands, or the end. A loop of its own: a mebibyte takes a fifth of the time. */
    private int commaFrom(int position) {
        int comma = position;
        while (comma < end && bytes[comma] != ',') {
            comma++;
        }
        return comma;
    }

    String text() {
        return new String(bytes, start, length(), StandardCharsets.ISO_8859_1);
    }

    static boolean isBlank(int octet) {
        return octet == ' ' || octet == '\t';
    }

    private static Octets trimmed(byte[] bytes, int start, int end) {
        int first = start;
        int last = end;
        while (first < last && isBlank(bytes[first])) {
            first++;
        }
        while (first < last && isBlank(bytes[last - 1])) {
            last--;
        }
        return new Octets(bytes, first, last);
    }
}
