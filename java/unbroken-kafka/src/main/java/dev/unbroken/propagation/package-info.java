/**
 * The W3C propagation fields {@code traceparent}, {@code tracestate} and {@code baggage} as values: octets in, what
 * they say out. Nothing here knows Kafka, spans or the current context.
 */
package dev.unbroken.propagation;
