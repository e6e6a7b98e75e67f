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

    /** Returns the first parts between commas, without the white space around them and without the empty ones. */
    List<Octets> list(int limit) {
        List<Octets> parts = new ArrayList<>();
        int from = start;
        for (int position = start; position <= end && parts.size() < limit; position++) {
            if (position == end || bytes[position] == ',') {
                Octets part = trimmed(bytes, from, position);
                if (part.length() > 0) {
                    parts.add(part);
                }
                from = position + 1;
            }
        }
        return parts;
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
