"""One call at a time: every statement that is timed, as a table."""

import functools
import sys
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass

from bench.records import CASES, Case, Pairs
from bench.timing import Namespace, microseconds

STOCK, DICT, HAND, FULL, BARE = "stock", "stock, dict", "by hand", "by hand, same span", "bare SDK span"
OURS, DDTRACE = "unbroken", "ddtrace"

ENVIRONMENT_OF = {
    STOCK: "opentelemetry",
    DICT: "opentelemetry",
    HAND: "opentelemetry",
    FULL: "opentelemetry",
    BARE: "opentelemetry",
    DDTRACE: "ddtrace",
    OURS: "unbroken",
}

OPENTELEMETRY_NAMES = """
from opentelemetry import context, propagate, trace
from opentelemetry.context import attach, detach
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Link, SpanKind
from bench.by_hand import HeadersGetter, parent_of
getter = HeadersGetter()
tracer = trace.get_tracer("bench")
parent = parent_of(headers)
link = trace.get_current_span(parent).get_span_context()
"""
OURS_NAMES = "from unbroken import attached, extract, inject, process\n"
DDTRACE_NAMES = """
from ddtrace.propagation.http import HTTPPropagator
from ddtrace.trace import tracer
activate = tracer.context_provider.activate
parent = HTTPPropagator.extract({name: value.decode() for name, value in headers})
"""

IN_A_SPAN = """
attach(parent)
attach(trace.set_span_in_context(tracer.start_span("handler")))
"""

WITH_ATTRIBUTES = """
    kind=SpanKind.CONSUMER,
    attributes={
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.key": "order-17",
    },
    links=[Link(link)],
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one contender executes for one operation; `setup` runs once before."""

    operation: str
    contender: str
    setup: str
    statement: str

    def fits(self, case: Case) -> bool:
        """Tell whether the operation makes sense for `case`."""
        if self.operation == INJECT:
            return case.user == 0
        return self.operation != INJECT_INTO or case.user > 0


INJECT, INJECT_INTO = "inject", "inject into the user's headers"
EXTRACT, STEP = "extract + attach + detach", "whole step"
OPERATIONS = (INJECT, INJECT_INTO, EXTRACT, STEP)

STATEMENTS = (
    Statement(INJECT, STOCK, OPENTELEMETRY_NAMES + IN_A_SPAN, "carrier = {}; inject(carrier)"),
    Statement(INJECT, DDTRACE, DDTRACE_NAMES, "carrier = {}; HTTPPropagator.inject(parent, carrier)"),
    Statement(INJECT, OURS, OPENTELEMETRY_NAMES + IN_A_SPAN + OURS_NAMES, "inject()"),
    Statement(INJECT_INTO, STOCK, OPENTELEMETRY_NAMES + IN_A_SPAN, "carrier = dict(user_headers); inject(carrier)"),
    Statement(
        INJECT_INTO, DDTRACE, DDTRACE_NAMES, "carrier = dict(user_headers); HTTPPropagator.inject(parent, carrier)"
    ),
    Statement(INJECT_INTO, OURS, OPENTELEMETRY_NAMES + IN_A_SPAN + OURS_NAMES, "inject(user_headers)"),
    Statement(
        EXTRACT, STOCK, OPENTELEMETRY_NAMES, "token = attach(extract(message.headers(), getter=getter)); detach(token)"
    ),
    Statement(
        EXTRACT,
        DICT,
        OPENTELEMETRY_NAMES,
        "token = attach(extract({name: value.decode() for name, value in message.headers()})); detach(token)",
    ),
    Statement(
        EXTRACT, DDTRACE, DDTRACE_NAMES, "activate(HTTPPropagator.extract(dict(message.headers()))); activate(None)"
    ),
    Statement(
        EXTRACT,
        OURS,
        OPENTELEMETRY_NAMES + OURS_NAMES,
        """
with attached(extract(message.headers())):
    pass
""",
    ),
    Statement(
        STEP,
        HAND,
        OPENTELEMETRY_NAMES,
        """
token = attach(extract(message.headers(), getter=getter))
try:
    with tracer.start_as_current_span("process orders", kind=SpanKind.CONSUMER):
        pass
finally:
    detach(token)
""",
    ),
    Statement(
        STEP,
        FULL,
        OPENTELEMETRY_NAMES,
        f"""
token = attach(extract(message.headers(), getter=getter))
try:
    with tracer.start_as_current_span("process orders", {WITH_ATTRIBUTES}):
        pass
finally:
    detach(token)
""",
    ),
    Statement(
        STEP,
        BARE,
        OPENTELEMETRY_NAMES,
        f"""
span = tracer.start_span("process orders", context=parent, {WITH_ATTRIBUTES})
span.end()
""",
    ),
    Statement(
        STEP,
        DDTRACE,
        DDTRACE_NAMES,
        """
activate(HTTPPropagator.extract(dict(message.headers())))
with tracer.trace("process orders"):
    pass
activate(None)
""",
    ),
    Statement(
        STEP,
        OURS,
        OURS_NAMES,
        """
with process(message):
    pass
""",
    ),
)

SPAN_OF = {
    "opentelemetry": f'span = tracer.start_span("process orders", context=parent, {WITH_ATTRIBUTES})',
    "unbroken": "with process(message): span = trace.get_current_span()",
}


def rows() -> Iterator[tuple[Case, str, list[Statement]]]:
    """Yield each row of the table: a case, an operation, the statements of its contenders."""
    for operation in OPERATIONS:
        for case in CASES:
            if statements := [found for found in STATEMENTS if found.operation == operation and found.fits(case)]:
                yield case, operation, statements


def measure(bootstrap: str, case: str, operation: str, contender: str) -> dict[str, float]:
    """Return the microseconds of one statement, by "row | contender"."""
    [statement] = [found for found in STATEMENTS if (found.operation, found.contender) == (operation, contender)]
    names = _names(ENVIRONMENT_OF[contender], bootstrap, case)
    return {f"{operation}, {case} | {contender}": _run(statement, names)}


def attributes(environment: str, bootstrap: str) -> dict[str, str]:
    """Return the attributes of the span that is timed: the bare one and that of `process` have to be alike."""
    names = _names(environment, bootstrap, CASES[0].name)
    exec(OPENTELEMETRY_NAMES + (OURS_NAMES if environment == "unbroken" else ""), names)
    exec(SPAN_OF[environment], names)
    span = names["span"]
    found = {name: str(value) for name, value in sorted(span.attributes.items())}  # type: ignore[attr-defined]
    return {**found, "links": str(len(span.links))}  # type: ignore[attr-defined]


@functools.cache
def _prepared(environment: str, bootstrap: str) -> dict[str, Namespace]:
    _prepare(environment)
    return consumed(bootstrap)


def consumed(bootstrap: str) -> dict[str, Namespace]:
    """Return, for each case, the names that its statements use; the message is one that was really consumed."""
    from confluent_kafka import Consumer, TopicPartition

    found: dict[str, Namespace] = {}
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench"})
    for case in CASES:
        consumer.assign([TopicPartition(case.topic, 0, 0)])
        while (message := consumer.poll(10)) is None or message.error():
            print(f"waiting for a record of {case.topic}", file=sys.stderr)
        headers: Pairs = message.headers()
        found[case.name] = {
            "message": message,
            "headers": headers,
            "user_headers": case.user_headers(),
            "topic": case.topic,
        }
    consumer.close()
    return found


def _names(environment: str, bootstrap: str, case: str) -> Namespace:
    return dict(_prepared(environment, bootstrap)[case])


def _prepare(environment: str) -> None:
    if environment == "ddtrace":
        from bench import datadog

        datadog.drop_every_trace()
    else:
        from bench import tracing

        tracing.provide()


def _run(statement: Statement, names: Namespace) -> float:
    """Return the microseconds of `statement` in a context of its own."""

    def alone() -> float:
        exec(statement.setup, names)
        return microseconds(statement.statement, names)

    return copy_context().run(alone)
