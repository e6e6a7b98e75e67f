package dev.unbroken.kafka;

/**
 * What a producer tells of itself without asking the broker; any of it may be null, and is then not on the spans.
 *
 * @param clientId the client id
 * @param serverAddress host of the only bootstrap server
 * @param serverPort its port
 */
public record ProducerFacts(String clientId, String serverAddress, Integer serverPort) {

    /** Nothing is known. */
    public static final ProducerFacts UNKNOWN = new ProducerFacts(null, null, null);
}
