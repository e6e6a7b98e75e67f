package dev.unbroken.kafka;

/**
 * What a consumer tells of itself without asking the broker; any of it may be null, and is then not on the spans.
 *
 * @param group the consumer group
 * @param clientId the client id
 * @param serverAddress host of the only bootstrap server
 * @param serverPort its port
 */
public record ConsumerFacts(String group, String clientId, String serverAddress, Integer serverPort) {

    /** Nothing is known. */
    public static final ConsumerFacts UNKNOWN = new ConsumerFacts(null, null, null, null);
}
