"""The contenders of the loops: which environment each runs in and how its tracing is switched on."""

BARE, HAND, CONTRIB, DDTRACE = "bare", "by hand", "contrib", "ddtrace"
OURS, DROP_IN = "unbroken", "unbroken drop-in"

SAMPLED, UNSAMPLED, ALWAYS_OFF = "sampled", "unsampled", "ALWAYS_OFF"


def environment(contender: str, client: str) -> str:
    """Return the name of the environment that `contender` runs in."""
    return {
        BARE: "opentelemetry",
        HAND: "opentelemetry",
        CONTRIB: f"contrib-{client}",
        DDTRACE: "ddtrace",
        OURS: "unbroken",
        DROP_IN: "unbroken",
    }[contender]


def switch_on(contender: str, client: str, condition: str) -> None:
    """Set up tracing as the documentation of `contender` says; to be called before the client is imported."""
    if contender == BARE:
        return
    if contender == DDTRACE:
        from bench import datadog

        datadog.instrument()
        return
    from bench import tracing

    tracing.provide("ALWAYS_OFF" if condition == ALWAYS_OFF else "ParentBased(ALWAYS_ON)")
    if contender == CONTRIB:
        _instrument(client)


def enter_request(contender: str, condition: str) -> None:
    """Make the span of a request current, recorded or not as `condition` says: a producing loop runs inside it."""
    sampled = condition == SAMPLED
    if contender == DDTRACE:
        from bench import datadog

        datadog.activate(sampled)
    elif contender != BARE:
        from opentelemetry import context

        from bench import tracing

        context.attach(tracing.remote_parent(sampled))


def _instrument(client: str) -> None:
    """Switch the contrib instrumentation of `client` on; it only logs when it refuses a version, so look."""
    if client == "confluent-kafka":
        from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor as Instrumentor
    elif client == "aiokafka":
        from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor as Instrumentor
    else:
        from opentelemetry.instrumentation.kafka import KafkaInstrumentor as Instrumentor
    instrumentor = Instrumentor()
    instrumentor.instrument()
    if not instrumentor.is_instrumented_by_opentelemetry:
        raise RuntimeError(f"the instrumentation of {client} did not start")
