package dev.unbroken.kafka;

/** What the creation context of a record is to its process span. */
public enum Correlation {
    /** Parent and link: the trace goes on. */
    PARENT,
    /** Only a link: each record is processed in a new trace. */
    LINK
}
