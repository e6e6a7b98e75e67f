package dev.unbroken.propagation;

/**
 * UTF-8 as the WHATWG encoding standard decodes it: U+FFFD once for each maximal part of a broken sequence. Java's own
 * decoder makes one of a whole encoded surrogate, where the other languages make three.
 */
final class Utf8 {

    private static final char REPLACEMENT = '\ufffd';

    private Utf8() {}

    static String decoded(byte[] octets) {
        StringBuilder text = new StringBuilder(octets.length);
        int position = 0;
        while (position < octets.length) {
            int first = octets[position++] & 0xff;
            if (first < 0x80) {
                text.append((char) first);
                continue;
            }
            int needed = continuations(first);
            int codePoint = needed < 0 ? REPLACEMENT : first & (0x3f >> needed);
            for (int taken = 0; taken < needed; taken++) {
                boolean fits =
                        position < octets.length && isContinuation(octets[position] & 0xff, taken == 0 ? first : 0);
                if (!fits) {
                    codePoint = REPLACEMENT;
                    break;
                }
                codePoint = codePoint << 6 | octets[position++] & 0x3f;
            }
            text.appendCodePoint(codePoint);
        }
        return text.toString();
    }

    /** Returns how many octets follow a first one, -1 when it starts nothing. */
    private static int continuations(int first) {
        if (first < 0xc2 || first > 0xf4) {
            return -1;
        }
        if (first < 0xe0) {
            return 1;
        }
        return first < 0xf0 ? 2 : 3;
    }

    /**
     * Returns whether an octet may follow; directly behind some first ones fewer may (no overlong form, no surrogate).
     */
    private static boolean isContinuation(int octet, int first) {
        int lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        int highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        return octet >= lowest && octet <= highest;
    }
}
