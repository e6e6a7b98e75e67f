"""The contenders of the loops: which environment each runs in and how its tracing is switched on."""

import importlib

BARE, HAND, CONTRIB, DDTRACE = "bare", "by hand", "contrib", "ddtrace"
BOTOCORE = "contrib botocore"
ALONE = "bare SDK span"
OURS, DROP_IN, ZERO = "unbroken", "unbroken drop-in", "unbroken zero code"
UNSETTLED = "unbroken, settle spans off"

SAMPLED, UNSAMPLED, ALWAYS_OFF = "sampled", "unsampled", "ALWAYS_OFF"


_CONTRIB = {"boto3": "contrib-boto3sqs", "aiobotocore": "contrib-botocore", "faststream": "opentelemetry"}
"""The environments whose name is not the client's; FastStream brings its telemetry itself."""


def environment(contender: str, client: str) -> str:
    """Return the name of the environment that `contender` runs in."""
    return {
        BARE: "opentelemetry",
        HAND: "opentelemetry",
        ALONE: "opentelemetry",
        CONTRIB: _CONTRIB.get(client, f"contrib-{client}"),
        BOTOCORE: "contrib-botocore",
        DDTRACE: "ddtrace",
        OURS: "unbroken",
        DROP_IN: "unbroken",
        UNSETTLED: "unbroken",
        ZERO: "unbroken",
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
    if contender == UNSETTLED:
        from unbroken import Policy, configure

        configure(Policy(settle=False))
    elif contender == ZERO:
        _instrument("unbroken", *_OURS[client])
    elif contender == BOTOCORE:
        _instrument("opentelemetry", *_OTHERS["botocore"])
    elif contender == CONTRIB and client != "faststream":
        _instrument("opentelemetry", *_OTHERS[client])


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


_OTHERS = {
    "aio-pika": ("aio_pika", "AioPikaInstrumentor"),
    "aiobotocore": ("botocore", "AiobotocoreInstrumentor"),
    "aiokafka": ("aiokafka", "AIOKafkaInstrumentor"),
    "boto3": ("boto3sqs", "Boto3SQSInstrumentor"),
    "botocore": ("botocore", "BotocoreInstrumentor"),
    "confluent-kafka": ("confluent_kafka", "ConfluentKafkaInstrumentor"),
    "kafka-python": ("kafka", "KafkaInstrumentor"),
    "pika": ("pika", "PikaInstrumentor"),
}
_OURS = {
    "aiokafka": ("aiokafka", "AIOKafkaInstrumentor"),
    "confluent-kafka": ("confluent_kafka", "ConfluentKafkaInstrumentor"),
    "kafka-python": ("kafka_python", "KafkaPythonInstrumentor"),
}


def _instrument(package: str, module: str, name: str) -> None:
    """Switch an instrumentation on; it only logs when it refuses a version, so look."""
    instrumentor = getattr(importlib.import_module(f"{package}.instrumentation.{module}"), name)()
    instrumentor.instrument()
    if not instrumentor.is_instrumented_by_opentelemetry:
        raise RuntimeError(f"{name} did not start")
