package dev.unbroken.propagation;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Percent-encoding of baggage: UTF-8, where only octets outside of a set are encoded. */
final class Percent {

    private static final String DIGITS = "0123456789ABCDEF";

    private Percent() {}

    /** Returns the text that ASCII text encodes; a percent sign that starts no encoding stands for itself. */
    static String decoded(String text) {
        if (text.indexOf('%') < 0) {
            return text;
        }
        ByteArrayOutputStream octets = new ByteArrayOutputStream(text.length());
        for (int position = 0; position < text.length(); position++) {
            char character = text.charAt(position);
            int octet = character == '%' ? encoded(text, position) : -1;
            octets.write(octet >= 0 ? octet : character);
            position += octet >= 0 ? 2 : 0;
        }
        return Utf8.decoded(octets.toByteArray());
    }

    /** Returns which characters of ASCII are letters, digits, {@code _ . - ~} or among {@code marks}. */
    static boolean[] safe(String marks) {
        boolean[] safe = new boolean[0x80];
        for (char character = 0; character < safe.length; character++) {
            safe[character] = isUnreserved(character) || marks.indexOf(character) >= 0;
        }
        return safe;
    }

    /** Writes text with everything encoded but the characters of {@code safe}. */
    static void write(String text, boolean[] safe, StringBuilder to) {
        if (areIn(safe, text)) { // most are, and an encoder is not needed
            to.append(text);
            return;
        }
        for (byte octet : text.getBytes(StandardCharsets.UTF_8)) {
            char character = (char) (octet & 0xff);
            if (isIn(safe, character)) {
                to.append(character);
            } else {
                to.append('%').append(DIGITS.charAt(character >> 4)).append(DIGITS.charAt(character & 0xf));
            }
        }
    }

    /** Returns whether each character of a text is in a table. */
    static boolean areIn(boolean[] table, String text) {
        for (int position = 0; position < text.length(); position++) {
            if (!isIn(table, text.charAt(position))) {
                return false;
            }
        }
        return true;
    }

    private static boolean isIn(boolean[] table, char character) {
        return character < table.length && table[character];
    }

    private static int encoded(String text, int position) {
        if (position + 2 >= text.length()) {
            return -1;
        }
        int high = digit(text.charAt(position + 1));
        int low = digit(text.charAt(position + 2));
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    private static int digit(char character) {
        return character < 0x80 ? Character.digit(character, 16) : -1;
    }

    private static boolean isUnreserved(char character) {
        return (character >= 'a' && character <= 'z')
                || (character >= 'A' && character <= 'Z')
                || (character >= '0' && character <= '9')
                || "_.-~".indexOf(character) >= 0;
    }
}
