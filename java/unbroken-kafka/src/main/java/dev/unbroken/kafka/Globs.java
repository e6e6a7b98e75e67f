package dev.unbroken.kafka;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/** Glob patterns of topics, as Python's {@code fnmatch.fnmatchcase} reads them; each topic is matched once. */
final class Globs {

    private static final int MAX_REMEMBERED = 1024;

    private final List<String> patterns;
    private final List<Pattern> compiled;
    private final Map<String, Boolean> remembered = new ConcurrentHashMap<>();

    Globs(List<String> patterns) {
        this.patterns = patterns;
        this.compiled = patterns.stream().map(Globs::compile).toList();
    }

    List<String> patterns() {
        return patterns;
    }

    boolean isEmpty() {
        return patterns.isEmpty();
    }

    boolean matches(String topic) {
        if (patterns.isEmpty()) {
            return false;
        }
        Boolean known = remembered.get(topic);
        if (known != null) {
            return known;
        }
        boolean matches =
                compiled.stream().anyMatch(pattern -> pattern.matcher(topic).matches());
        if (remembered.size() < MAX_REMEMBERED) {
            remembered.put(topic, matches);
        }
        return matches;
    }

    private static Pattern compile(String glob) {
        StringBuilder regex = new StringBuilder();
        int position = 0;
        while (position < glob.length()) {
            char character = glob.charAt(position++);
            int end = character == '[' ? endOfClass(glob, position) : -1;
            if (end >= 0) {
                regex.append(classOf(glob.substring(position, end)));
                position = end + 1;
            } else if (character == '*') {
                regex.append(".*");
            } else if (character == '?') {
                regex.append('.');
            } else {
                regex.append(Pattern.quote(String.valueOf(character)));
            }
        }
        return Pattern.compile(regex.toString(), Pattern.DOTALL);
    }

    /** Returns where the {@code ]} of a class stands, -1 when there is none: then the bracket is a character. */
    private static int endOfClass(String glob, int start) {
        int first = start < glob.length() && glob.charAt(start) == '!' ? start + 1 : start;
        return glob.indexOf(']', first + 1);
    }

    /** Returns what a class of characters is as a regular expression; a range from a later one to an earlier is empty. */
    private static String classOf(String content) {
        boolean isNegated = content.startsWith("!");
        StringBuilder members = new StringBuilder();
        int position = isNegated ? 1 : 0;
        while (position < content.length()) {
            char first = content.charAt(position);
            char last = first;
            if (position + 2 < content.length() && content.charAt(position + 1) == '-') {
                position += 2;
                last = content.charAt(position);
            }
            if (first <= last) {
                members.append(String.format("\\x{%x}-\\x{%x}", (int) first, (int) last));
            }
            position++;
        }
        if (members.isEmpty()) {
            return isNegated ? "." : "(?!)"; // anything, nothing
        }
        return (isNegated ? "[^" : "[") + members + "]";
    }
}
