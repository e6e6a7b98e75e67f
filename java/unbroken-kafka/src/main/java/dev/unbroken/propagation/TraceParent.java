package dev.unbroken.propagation;

import java.nio.charset.StandardCharsets;

/**
 * The identity of the caller, as a {@code traceparent} names it.
 *
 * @param traceId 32 lower-case hexadecimal digits, not all zero
 * @param parentId 16 of them, not all zero
 * @param flags only {@link #SAMPLED} and {@link #RANDOM} are kept
 */
public record TraceParent(String traceId, String parentId, int flags) {

    /** The flag that says that the caller may have recorded the trace. */
    public static final int SAMPLED = 0x01;

    /** The flag that says that the right part of the trace id was made at random (Trace Context level 2). */
    public static final int RANDOM = 0x02;

    private static final int KNOWN_FLAGS = SAMPLED | RANDOM;
    private static final int LENGTH = 55;
    private static final String DIGITS = "0123456789abcdef";

    /**
     * Returns the parent that a value names, by section 3.2.2 of Trace Context level 2.
     *
     * @param value octets of the header; white space around them does not count
     * @return the parent, or null when the value breaks the grammar
     */
    public static TraceParent parse(byte[] value) {
        Octets octets = Octets.of(value);
        byte[] bytes = octets.bytes();
        int start = octets.start();
        if (octets.length() < LENGTH || !hasForm(bytes, start)) {
            return null;
        }
        boolean isVersion00 = bytes[start] == '0' && bytes[start + 1] == '0';
        boolean isForbidden = bytes[start] == 'f' && bytes[start + 1] == 'f';
        boolean isLonger = octets.length() > LENGTH;
        if (isForbidden || (isLonger && (isVersion00 || bytes[start + LENGTH] != '-'))) {
            return null;
        }
        if (isZero(bytes, start + 3, start + 35) || isZero(bytes, start + 36, start + 52)) {
            return null;
        }
        return at(bytes, start);
    }

    /**
     * Returns the parent that a value of version 00 names, as {@link #parse} does but without a look at the digits of the
     * ids: for callers who hand them to {@code SpanContext}, which looks at them itself.
     *
     * @param value octets of the header
     * @return the parent, or null when the value is null or of any other form
     */
    public static TraceParent parseUnchecked(byte[] value) {
        if (value == null || value.length != LENGTH || value[0] != '0' || value[1] != '0' || !areDashed(value, 0)) {
            return null;
        }
        return digit(value[53]) < 0 || digit(value[54]) < 0 ? null : at(value, 0);
    }

    /**
     * Returns the octets of a {@code traceparent} of version 00.
     *
     * @param traceId 32 lower-case hexadecimal digits
     * @param parentId 16 of them
     * @param flags the known ones are written
     * @return 55 octets
     */
    @SuppressWarnings("deprecation") // for text that is not ASCII; these digits it copies without an array of their own
    public static byte[] format(String traceId, String parentId, int flags) {
        byte[] octets = new byte[LENGTH];
        octets[0] = octets[1] = '0';
        octets[2] = octets[35] = octets[52] = '-';
        traceId.getBytes(0, traceId.length(), octets, 3);
        parentId.getBytes(0, parentId.length(), octets, 36);
        octets[53] = '0';
        octets[54] = (byte) DIGITS.charAt(flags & KNOWN_FLAGS);
        return octets;
    }

    /**
     * Returns the octets of a {@code traceparent} of version 00 with this parent.
     *
     * @return 55 octets
     */
    public byte[] octets() {
        return format(traceId, parentId, flags);
    }

    private static TraceParent at(byte[] bytes, int start) {
        String traceId = new String(bytes, start + 3, 32, StandardCharsets.ISO_8859_1);
        String parentId = new String(bytes, start + 36, 16, StandardCharsets.ISO_8859_1);
        return new TraceParent(traceId, parentId, digit(bytes[start + 54]) & KNOWN_FLAGS);
    }

    private static boolean areDashed(byte[] bytes, int start) {
        return bytes[start + 2] == '-' && bytes[start + 35] == '-' && bytes[start + 52] == '-';
    }

    private static boolean hasForm(byte[] bytes, int start) {
        for (int position = 0; position < LENGTH; position++) {
            byte octet = bytes[start + position];
            boolean isDash = position == 2 || position == 35 || position == 52;
            if (isDash ? octet != '-' : digit(octet) < 0) {
                return false;
            }
        }
        return true;
    }

    private static int digit(byte octet) {
        if (octet >= '0' && octet <= '9') {
            return octet - '0';
        }
        return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
    }

    private static boolean isZero(byte[] bytes, int from, int to) {
        for (int position = from; position < to; position++) {
            if (bytes[position] != '0') {
                return false;
            }
        }
        return true;
    }
}
