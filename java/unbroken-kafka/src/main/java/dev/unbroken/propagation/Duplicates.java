package dev.unbroken.propagation;

/** What several different {@code traceparent} values of one carrier mean. */
public enum Duplicates {
    /** The last counts, the newest hop in a list that is appended to; the others become links. */
    LAST,
    /** None counts: a new trace begins. */
    RESTART
}
