/**
 * OpenTelemetry traces that survive spring-kafka: interceptors for listener containers, a post-processor for producer
 * factories, headers for dead letters, and the auto-configuration that puts them everywhere.
 */
package dev.unbroken.spring.kafka;
