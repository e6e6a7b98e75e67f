package dev.unbroken.bench;

import java.io.IOException;

/** JMH's command line, in this process: {@code python -m bench.companions} starts one for each figure. */
public final class Main {

    private Main() {}

    /**
     * Measures and ends the process: a listener container that runs would keep it.
     *
     * @param arguments those of JMH
     * @throws IOException when JMH cannot read what the compiler wrote
     */
    public static void main(String[] arguments) throws IOException {
        org.openjdk.jmh.Main.main(arguments);
        System.exit(0);
    }
}
