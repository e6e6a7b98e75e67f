/**
 * OpenTelemetry traces that survive Kafka: {@link dev.unbroken.kafka.Unbroken} puts each record into its own trace, and
 * its context onto what is sent.
 */
package dev.unbroken.kafka;
