"""What a bar that is not met consists of: the same work, put together step by step, up to what unbroken does.

The first steps are the OpenTelemetry SDK alone; no instrumentation that makes these spans can be below them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.records import CASES, KEY, PRODUCED, USER_HEADERS, VALUE
from bench.timing import WARM_UP, Stopwatch, microseconds

if TYPE_CHECKING:
    from confluent_kafka import Message, Producer
    from opentelemetry.trace import Span

UNIT = "µs"

PREPARE = """
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, get_current_span, get_tracer
from unbroken import extract, process
from unbroken.propagation.context import SPAN_KEY, attach, detach
tracer = get_tracer("bench")
parent = extract(message.headers())
link = get_current_span(parent).get_span_context()
"""
CONSTANTS = """
name = "process orders"
attributes = {
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": topic,
    "messaging.destination.partition.id": "0",
    "messaging.kafka.offset": 0,
    "messaging.kafka.message.key": "order-17",
}
"""
FROM_THE_MESSAGE = """
name = "process " + message.topic()
attributes = {
    "messaging.system": "kafka",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": message.topic(),
    "messaging.destination.partition.id": str(message.partition()),
    "messaging.kafka.offset": message.offset(),
    "messaging.kafka.message.key": message.key().decode(),
}
"""
EXTRACT = """
parent = extract(message.headers())
link = get_current_span(parent).get_span_context()
"""
START = "span = tracer.start_span(name, parent, SpanKind.CONSUMER, attributes, [Link(link)])\n"
ATTACH = "detach(attach(Context({SPAN_KEY: span})))\n"
END = "span.end()\n"

PROCESS_STEPS = {
    "1 bare SDK span": CONSTANTS + START + END,
    "2 and attached": CONSTANTS + START + ATTACH + END,
    "3 and its parent extracted": EXTRACT + CONSTANTS + START + ATTACH + END,
    "4 and its attributes from the message": EXTRACT + FROM_THE_MESSAGE + START + ATTACH + END,
    "5 `process`": "with process(message):\n    pass\n",
}


def process_steps(bootstrap: str) -> dict[str, float]:
    """Return the microseconds of each step up to `process`, by "row | contender"."""
    from bench import tracing
    from bench.micro import consumed

    tracing.provide()
    names = consumed(bootstrap)[CASES[1].name]
    exec(PREPARE, names)
    return {
        f"`process` step by step, {step} | {UNIT}": microseconds(statement, names)
        for step, statement in PROCESS_STEPS.items()
    }


def produce_steps(bootstrap: str, messages: int) -> dict[str, float]:
    """Return the microseconds per message of each step up to the drop-in producer, by "row | contender"."""
    from confluent_kafka import Producer
    from opentelemetry import context, trace
    from opentelemetry.trace import SpanKind

    from bench import tracing
    from unbroken.clients import confluent_kafka as drop_in

    tracing.provide()
    context.attach(tracing.remote_parent(sampled=True))
    tracer = trace.get_tracer("bench")
    host, _, port = bootstrap.rpartition(":")
    attributes = {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": PRODUCED,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.message.key": KEY.decode(),
        "server.address": host,
        "server.port": int(port),
    }

    def start() -> "Span":
        return tracer.start_span(f"send {PRODUCED}", None, SpanKind.PRODUCER, dict(attributes))

    def bare() -> None:
        return None

    def reported() -> Callable[..., None]:
        return lambda error, message: None  # noqa: ARG005

    def ended_at_once() -> None:
        start().end()

    def ended_in_the_report() -> Callable[..., None]:
        span = start()
        return lambda error, message: span.end()  # noqa: ARG005

    def with_facts() -> Callable[..., None]:
        span = start()

        def report(_: object, message: "Message") -> None:
            span.set_attribute("messaging.destination.partition.id", str(message.partition()))
            span.set_attribute("messaging.kafka.offset", message.offset())
            span.end()

        return report

    plain, ours = Producer({"bootstrap.servers": bootstrap}), drop_in.Producer({"bootstrap.servers": bootstrap})
    steps: dict[str, tuple[Producer, Callable[[], Callable[..., None] | None]]] = {
        "1 bare loop": (plain, bare),
        "2 with a delivery report": (plain, reported),
        "3 an SDK span, ended at once, no report": (plain, ended_at_once),
        "4 an SDK span, ended in the report": (plain, ended_in_the_report),
        "5 and partition and offset on it": (plain, with_facts),
        "6 drop-in producer": (ours, bare),
    }
    return {
        f"confluent produce step by step, {step} | {UNIT}": _cost(producer, before, messages)
        for step, (producer, before) in steps.items()
    }


def _cost(producer: "Producer", before: Callable[[], Callable[..., None] | None], messages: int) -> float:
    """Return the microseconds per message; `before` runs before each and returns its delivery callback."""

    def run(count: int) -> None:
        for _ in range(count):
            report = before()
            producer.produce(PRODUCED, VALUE, key=KEY, headers=list(USER_HEADERS), partition=0, on_delivery=report)
            producer.poll(0)
        producer.flush(60)

    run(WARM_UP)
    with Stopwatch() as watch:
        run(messages)
    return watch.seconds / messages * 1e6
