"""What a message costs whose headers were made to cost much: `process` of a mebibyte of them, with metrics.

Whoever may write to a topic or a queue can write such a message. The messages are what the clients hand out; how long a
client takes to decode one is not measured.
"""

import json
import logging
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from bench.results import Cell

KAFKA, AMQP, SQS = "Kafka", "AMQP", "SQS"
WIRES = (KAFKA, AMQP, SQS)
OPERATION = "hostile"
WORST = "the worst of them"

MIB = 1 << 20
PARENT = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
TIMES = 7
"""How often each message is processed; the median counts."""

Pairs = list[tuple[Any, Any]]
Make = Callable[[int], tuple[Any, Any]]


def cell(shape: str, wire: str) -> Cell:
    """Return the cell of a shape on a wire, in milliseconds."""
    return Cell(f"{OPERATION}, {shape}", wire)


def filled(make: Make, first: Pairs | None = None) -> Pairs:
    """Return a mebibyte of headers, each made from its number."""
    pairs, size = list(first or ()), 0
    for number in count():
        name, value = make(number)
        size += len(name) + len(value or b"") + 2  # each has a length
        if size > MIB:
            return pairs
        pairs.append((name, value))
    raise AssertionError


def one(name: str, unit: bytes, start: bytes = b"") -> Callable[[], Pairs]:
    """Return what makes a traced message with one header of a mebibyte."""
    return lambda: [PARENT, (name, start + unit * ((MIB - len(start)) // len(unit)))]


def many(name: str, value: Callable[[int], Any] = lambda _: b"") -> Callable[[], Pairs]:
    """Return what makes a traced message with a mebibyte of headers of one name."""
    return lambda: filled(lambda number: (name, value(number)), [PARENT])


def named(name: Callable[[int], Any], value: bytes = b"") -> Callable[[], Pairs]:
    """Return what makes a traced message with a mebibyte of headers of many names."""
    return lambda: filled(lambda number: (name(number), value), [PARENT])


def parent(number: int) -> bytes:
    """Return a well-formed `traceparent`, another for each number."""
    return b"00-%032x-%016x-01" % (number + 1, number + 1)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of hostile headers.

    Attributes:
        name: what stands in the table.
        headers: makes them.
        wires: those that can carry them: a table of AMQP has each name once, SQS has ten attributes.
        propagator: the names of a global propagator (OTEL_PROPAGATORS) in whose use they cost most.
    """

    name: str
    headers: Callable[[], Pairs]
    wires: tuple[str, ...] = WIRES
    propagator: str = ""


TABLES = (KAFKA, AMQP)
SHAPES = (
    Shape("one header that is nobody's", one("user", b"x")),
    Shape("`traceparent`, one", one("traceparent", b"0")),
    Shape("`traceparent`, one of a later version", one("traceparent", b"-0", b"01" + PARENT[1][2:])),
    Shape("`traceparent`, empty", many("traceparent"), (KAFKA,)),
    Shape("`traceparent`, malformed", many("traceparent", lambda _: b"x" * 55), (KAFKA,)),
    Shape("`traceparent`, all different", many("traceparent", parent), (KAFKA,)),
    Shape("`ce_traceparent`, empty", lambda: many("ce_traceparent")()[1:], (KAFKA,)),
    Shape("`ce_traceparent`, all different", lambda: many("ce_traceparent", parent)()[1:], (KAFKA,)),
    Shape("`tracestate`, one of commas", one("tracestate", b" ,")),
    Shape("`tracestate`, one of members", one("tracestate", b"a=1,")),
    Shape("`tracestate`, one of white space", one("tracestate", b" ", b"a=1")),
    Shape("`tracestate`, empty", many("tracestate"), (KAFKA,)),
    Shape("`tracestate`, malformed", many("tracestate", lambda _: b"\xff"), (KAFKA,)),
    Shape("`baggage`, one of commas", one("baggage", b" ,")),
    Shape("`baggage`, one of members", one("baggage", b"a=1,")),
    Shape("`baggage`, one of properties", one("baggage", b"p;", b"a=1;")),
    Shape("`baggage`, one of percents", one("baggage", b"%C3", b"a=")),
    Shape("`baggage`, percents up to the limit", lambda: [PARENT, ("baggage", b"a=" + b"%C3" * 2730)]),
    Shape("`baggage`, properties up to the limit", lambda: [PARENT, ("baggage", b"a=1;" + b"p;" * 4090 + b"p")]),
    Shape("`baggage`, one of white space", one("baggage", b" ", b"a=1;b")),
    Shape("`baggage`, white space in 64 members", one("baggage", b"a=1" + b" " * 16_000 + b",")),
    Shape("`baggage`, empty", many("baggage"), (KAFKA,)),
    Shape("`baggage`, odd", many("baggage", lambda _: b"\xff"), (KAFKA,)),
    Shape("`baggage`, a list", lambda: [PARENT, ("baggage", [b"\xff"] * 40_000)], (AMQP,)),
    Shape("names of nothing", named(lambda _: ""), (KAFKA,)),
    Shape("names of one letter", named(lambda _: "t"), (KAFKA,)),
    Shape("names like ours", named(lambda number: "traceparen" + "UVWXYZuvwxyz"[number % 12]), (KAFKA,)),
    Shape("names in octets", named(lambda _: b"baggagf"), (KAFKA,)),
    Shape("names all different", named(lambda number: f"{number:x}"), TABLES),
    Shape("names all different, with our initials", named(lambda number: f"{'tbc'[number % 3]}{number:x}"), TABLES),
    Shape("names of what `forward` writes", many("unbroken-attempt", lambda _: b"1"), (KAFKA,)),
    Shape("`x-death`", lambda: [PARENT, ("x-death", [{"count": 2**62, "queue": "q"}] * 30_000)], (AMQP,)),
    Shape("`x-death` of one queue", lambda: [PARENT, ("x-death", [{"count": 1, "queue": "q" * MIB}])], (AMQP,)),
    Shape("`uberctx-` with Jaeger", named(lambda number: f"uberctx-{number}"), TABLES, "jaeger"),
    Shape(
        "`uberctx-` of percents with Jaeger", named(lambda number: f"uberctx-{number}", b"%C3" * 400), TABLES, "jaeger"
    ),
    Shape("`uber-trace-id` with Jaeger", many("uber-trace-id"), (KAFKA,), "jaeger"),
    Shape("names all different, with Jaeger", named(lambda number: f"{number:x}", b"\xff"), TABLES, "jaeger"),
    Shape("`b3` with B3", many("b3"), (KAFKA,), "b3"),
    Shape("`tracestate` of commas with W3C and B3", one("tracestate", b" ,"), WIRES, "tracecontext,b3"),
    Shape("`tracestate` with W3C and B3", many("tracestate", lambda _: b" ," * 4000), (KAFKA,), "tracecontext,b3"),
)  # fmt: skip


def of_kafka(headers: Pairs) -> Any:
    """Return the headers in a record of aiokafka."""
    from aiokafka import ConsumerRecord

    return ConsumerRecord("orders", 0, 7, 0, 0, b"k" * MIB, b"v", None, MIB, 1, headers)


def of_amqp(headers: Pairs) -> Any:
    """Return the headers in a delivery of pika, text as text."""
    from pika import BasicProperties
    from pika.spec import Basic

    from unbroken.clients.pika import Delivery

    table = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in headers}
    return Delivery(None, Basic.Deliver("tag", 1, False, "shop", "orders"), BasicProperties(headers=table), b"v", "q")


def of_sqs(headers: Pairs) -> Any:
    """Return the headers in a message of SQS."""
    attributes = {name: {"DataType": "String", "StringValue": value.decode("latin-1")} for name, value in headers}
    return {"MessageId": "1", "ReceiptHandle": "r", "Body": "v", "MessageAttributes": attributes}


def envelopes() -> Iterator[tuple[str, str]]:
    """Yield hostile bodies of SQS: what looks like the envelope of SNS, where the context may stand."""
    attribute = {"Type": "String", "Value": ""}
    known = {"Type": "Notification", "Message": "m", "MessageAttributes": {"traceparent": attribute}}
    yield "an envelope of SNS with a long message", json.dumps({**known, "Message": '"' * (MIB // 2 - 200)})
    yield (
        "an envelope of SNS with many attributes",
        json.dumps({**known, "MessageAttributes": {f"{number:x}": attribute for number in range(24_000)}}),
    )
    yield (
        "an envelope of SNS with many members",
        json.dumps({**known, **{f"{number:x}": "" for number in range(90_000)}}),
    )
    yield (
        "an envelope of SNS with many members in each attribute",
        json.dumps(
            {**known, "MessageAttributes": {f"{number}": {f"{of}": "" for of in range(100)} for number in range(1000)}}
        ),
    )
    yield "an envelope of SNS with much white space", json.dumps(known)[:-1] + " " * (MIB - 200) + "}"
    start = json.dumps(known)[:-1]
    yield "an envelope of SNS with many objects", start + ',"x":[' + "{}," * (MIB // 3 - 100) + "{}]}"
    yield "an envelope of SNS with many lists", start + ',"x":' + "[" * (MIB - 300)


MAKE: dict[str, Callable[[Pairs], Any]] = {KAFKA: of_kafka, AMQP: of_amqp, SQS: of_sqs}


def measure() -> dict[str, float]:
    """Return the milliseconds of `process` for each shape and wire, and the worst of each wire."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from bench import tracing

    logging.disable()  # propagators of others log what they refuse, a mebibyte of it
    tracing.provide()
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    found: dict[Cell, float] = {}
    for shape in SHAPES:
        _use(shape.propagator)
        for wire in shape.wires:
            found[cell(shape.name, wire)] = milliseconds(MAKE[wire](shape.headers()))
    _use("")
    for name, body in envelopes():
        found[cell(name, SQS)] = milliseconds({**of_sqs([]), "Body": body})
    for wire in WIRES:
        found[cell(WORST, wire)] = max(value for (_, of), value in found.items() if of == wire)
    return {f"{row} | {wire}": value for (row, wire), value in found.items()}


def milliseconds(message: Any) -> float:
    """Return what `process` of a message costs."""
    from unbroken import process

    taken = []
    for _ in range(TIMES):
        started = time.thread_time()
        with process(message):
            pass
        taken.append((time.thread_time() - started) * 1000)
    return statistics.median(taken)


def _use(names: str) -> None:
    """Set the global propagator to those of these names, or to the default."""
    from opentelemetry import propagate
    from opentelemetry.propagators.composite import CompositePropagator
    from opentelemetry.util._importlib_metadata import entry_points

    parts = [
        next(iter(entry_points(group="opentelemetry_propagator", name=name))).load()()
        for name in (names or "tracecontext,baggage").split(",")
    ]
    propagate.set_global_textmap(parts[0] if len(parts) == 1 else CompositePropagator(parts))


if __name__ == "__main__":
    for each, value in sorted(measure().items(), key=lambda found: found[1]):
        print(f"{value:8.2f}  {each}")
