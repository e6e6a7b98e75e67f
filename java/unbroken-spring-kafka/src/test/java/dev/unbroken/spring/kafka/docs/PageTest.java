package dev.unbroken.spring.kafka.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.unbroken.spring.kafka.UnbrokenProperties;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The page about Java says what compiles, and knows every property. */
class PageTest {

    private static final Path PAGE = Path.of("../../docs/java.md");
    private static final Path EXAMPLES = Path.of("src/test/java/dev/unbroken/spring/kafka/docs");
    private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Pattern EXAMPLE = Pattern.compile("( *)// page\n(.*?) *// end\n", Pattern.DOTALL);
    private static final Pattern PROPERTY = Pattern.compile("\\| `unbroken\\.([a-z-]+)`");

    @Test
    void everyBlockIsAnExampleThatCompilesAndEveryExampleIsOnThePage() throws IOException {
        Set<String> examples = new TreeSet<>();
        for (String file : List.of("PlainExamples.java", "SpringExamples.java")) {
            EXAMPLE.matcher(Files.readString(EXAMPLES.resolve(file)))
                    .results()
                    .map(PageTest::dedented)
                    .forEach(examples::add);
        }
        Set<String> blocks = BLOCK.matcher(Files.readString(PAGE))
                .results()
                .map(found -> found.group(1))
                .collect(Collectors.toCollection(TreeSet::new));

        assertTrue(blocks.size() > 5);
        assertEquals(String.join("\n----\n", examples), String.join("\n----\n", blocks));
    }

    @Test
    void everyPropertyIsOnThePage() throws IOException {
        Set<String> known = Arrays.stream(UnbrokenProperties.class.getRecordComponents())
                .map(RecordComponent::getName)
                .map(name -> name.replaceAll("([A-Z])", "-$1").toLowerCase())
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> told = PROPERTY.matcher(Files.readString(PAGE))
                .results()
                .map(found -> found.group(1))
                .collect(Collectors.toCollection(TreeSet::new));

        assertEquals(known, told);
    }

    private static String dedented(MatchResult example) {
        List<String> lines = new ArrayList<>();
        for (String line : example.group(2).split("\n")) {
            lines.add(
                    line.startsWith(example.group(1))
                            ? line.substring(example.group(1).length())
                            : line.strip());
        }
        return String.join("\n", lines) + "\n";
    }
}
