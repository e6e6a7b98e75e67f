package dev.unbroken.kafka;

import dev.unbroken.propagation.Duplicates;
import java.util.List;
import java.util.Objects;

/** What is traced and how; immutable. {@link #defaults()} traces every topic. */
public final class Policy {

    private static final Policy DEFAULTS = builder().build();

    private final Correlation correlation;
    private final Duplicates duplicates;
    private final boolean spans;
    private final boolean messageKey;
    private final Globs only;
    private final Globs ignore;

    private Policy(Builder builder) {
        correlation = builder.correlation;
        duplicates = builder.duplicates;
        spans = builder.spans;
        messageKey = builder.messageKey;
        only = new Globs(builder.only);
        ignore = new Globs(builder.ignore);
    }

    /**
     * Returns the policy of an application that configures nothing: parent, last, spans, all topics, with keys.
     *
     * @return the same object each time
     */
    public static Policy defaults() {
        return DEFAULTS;
    }

    /**
     * Returns a builder that starts from the defaults.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Returns what the creation context is to the process span.
     *
     * @return parent and link, or only a link
     */
    public Correlation correlation() {
        return correlation;
    }

    /**
     * Returns what several different {@code traceparent} values mean.
     *
     * @return the last counts, or none
     */
    public Duplicates duplicates() {
        return duplicates;
    }

    /**
     * Returns whether spans are made; without them the context still travels.
     *
     * @return true unless spans are switched off
     */
    public boolean spans() {
        return spans;
    }

    /**
     * Returns whether the key of a record goes on its spans.
     *
     * @return true unless keys are switched off
     */
    public boolean messageKey() {
        return messageKey;
    }

    /**
     * Returns the glob patterns of the topics that are traced.
     *
     * @return the patterns; none means all topics
     */
    public List<String> only() {
        return only.patterns();
    }

    /**
     * Returns the glob patterns of the topics that are left alone: no span, no context.
     *
     * @return the patterns
     */
    public List<String> ignore() {
        return ignore.patterns();
    }

    /**
     * Returns whether records of a topic are traced.
     *
     * @param topic name of the topic
     * @return true when {@code only} is empty or matches, and {@code ignore} does not match
     */
    public boolean covers(String topic) {
        return (only.isEmpty() || only.matches(topic)) && !ignore.matches(topic);
    }

    /** Collects a {@link Policy}; not thread-safe. */
    public static final class Builder {

        private Correlation correlation = Correlation.PARENT;
        private Duplicates duplicates = Duplicates.LAST;
        private boolean spans = true;
        private boolean messageKey = true;
        private List<String> only = List.of();
        private List<String> ignore = List.of();

        private Builder() {}

        /**
         * Sets what the creation context is to the process span.
         *
         * @param correlation parent and link, or only a link
         * @return this builder
         */
        public Builder correlation(Correlation correlation) {
            this.correlation = Objects.requireNonNull(correlation, "correlation");
            return this;
        }

        /**
         * Sets what several different {@code traceparent} values mean.
         *
         * @param duplicates the last counts, or none
         * @return this builder
         */
        public Builder duplicates(Duplicates duplicates) {
            this.duplicates = Objects.requireNonNull(duplicates, "duplicates");
            return this;
        }

        /**
         * Switches spans off or on; the context travels either way.
         *
         * @param spans whether spans are made
         * @return this builder
         */
        public Builder spans(boolean spans) {
            this.spans = spans;
            return this;
        }

        /**
         * Switches the key of a record off or on, as an attribute of its spans.
         *
         * @param messageKey whether keys go on spans
         * @return this builder
         */
        public Builder messageKey(boolean messageKey) {
            this.messageKey = messageKey;
            return this;
        }

        /**
         * Sets the topics that are traced.
         *
         * @param patterns glob patterns: {@code *}, {@code ?}, {@code [ab]}, {@code [!ab]}; none means all topics
         * @return this builder
         */
        public Builder only(List<String> patterns) {
            only = List.copyOf(patterns);
            return this;
        }

        /**
         * Sets the topics that are left alone.
         *
         * @param patterns glob patterns, as for {@link #only}
         * @return this builder
         */
        public Builder ignore(List<String> patterns) {
            ignore = List.copyOf(patterns);
            return this;
        }

        /**
         * Returns the policy.
         *
         * @return an immutable value
         */
        public Policy build() {
            return new Policy(this);
        }
    }
}
