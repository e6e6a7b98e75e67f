package dev.unbroken.kafka;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PolicyTest {

    @ParameterizedTest
    @CsvSource({
        "ord*, orders, true",
        "ord*, Orders, false",
        "or?ers, orders, true",
        "or?ers, orers, false",
        "[op]*, payments, true",
        "[!op]*, payments, false",
        "[a-c]x, bx, true",
        "[]]x, ]x, true",
        "a[b, a[b, true",
        "a.b, axb, false",
        "a^b$(c), a^b$(c), true",
        "[^a]x, bx, false",
        "[z-a]x, zx, false",
        "[c-b.]x, .x, true",
        "[!z-a]x, zx, true",
        "[a-c-e]x, -x, true",
        "[a-c-e]x, dx, false",
        "[a-]x, -x, true",
        "[a&&b]x, &x, true",
    })
    void aPatternMatchesAsInPython(String pattern, String topic, boolean matches) {
        assertEquals(matches, Policy.builder().only(List.of(pattern)).build().covers(topic));
    }

    @Test
    void byDefaultAllTopicsAreCovered() {
        assertTrue(Policy.defaults().covers("anything"));
    }

    @Test
    void anUnknownRuleIsAMistakeOfTheProgram() {
        assertThrows(NullPointerException.class, () -> Policy.builder().correlation(null));
        assertThrows(NullPointerException.class, () -> Policy.builder().duplicates(null));
    }
}
