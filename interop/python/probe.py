"""A program that writes and reads messages with one client, as it is told: one JSON object a line, one answer each.

`{"do": "produce", "topic": ..., "context": {"traceparent", "tracestate", "baggage": {name: value}} | null,
"span": name | null, "records": [{"key", "value", "headers": [[name, value]]}]}` writes with the traced producer, inside
that context and inside a span of that name; `{"do": "raw", ...}` with the client's own producer.

`{"do": "consume", "topic", "count", "group", "then": "ok" | "fail" | "forward", "to": topic, "is_batch": bool}` reads a
topic from its start, processes each message, and answers with what was current: `{"seen": [...]}`. A handler that fails
raises; `forward` sends the message on, with the error, before it does.

The programs in the other languages speak the same. Everything is text, headers too; null is null.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, Protocol

from opentelemetry import baggage, metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from unbroken import attached, forward, process, receive

Headers = list[tuple[str, Any]]


class Client(Protocol):
    """One client: how it writes, and how it reads."""

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, *, is_traced: bool) -> None:
        """Write one record; return when the broker has it."""
        ...

    def read(self, topic: str, count: int, group: str) -> tuple[Any, list[Any]]:
        """Return the consumer, and that many messages from the start of the topic."""
        ...


def start(otlp: str) -> Callable[[], None]:
    """Install an SDK that sends to this address, or to nobody; return what sends the last of it."""
    resource = Resource.create({"service.name": "python"})
    tracers = TracerProvider(resource=resource)
    readers = []
    if otlp:
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp}/v1/traces")))
        exporter = OTLPMetricExporter(f"{otlp}/v1/metrics")
        readers.append(PeriodicExportingMetricReader(exporter, export_interval_millis=600_000))
    meters = MeterProvider(readers, resource=resource)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)

    def finish() -> None:
        tracers.shutdown()
        meters.shutdown()

    return finish


class Poison(Exception):
    """What a handler that fails raises."""


def serve(client: Client, finish: Callable[[], None]) -> None:
    """Answer every line of standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"produce": produce, "raw": raw, "consume": consume}[command["do"]](client, command)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)
    finish()


def produce(client: Client, command: dict[str, Any]) -> dict[str, Any]:
    """Write records with the traced producer."""
    with attached(context_of(command["context"])):
        if command["span"] is None:
            write(client, command, is_traced=True)
        else:
            with trace.get_tracer("probe").start_as_current_span(command["span"]):
                write(client, command, is_traced=True)
    return {}


def raw(client: Client, command: dict[str, Any]) -> dict[str, Any]:
    """Write records with the client's own producer."""
    write(client, command, is_traced=False)
    return {}


def write(client: Client, command: dict[str, Any], *, is_traced: bool) -> None:
    """Write records."""
    for record in command["records"]:
        headers = [(name, encoded(value)) for name, value in record["headers"]]
        client.send(command["topic"], encoded(record["key"]), encoded(record["value"]), headers, is_traced=is_traced)


def consume(client: Client, command: dict[str, Any]) -> dict[str, Any]:
    """Read a topic from its start and return what was current in the block of each message."""
    consumer, messages = client.read(command["topic"], command["count"], command["group"])
    seen: list[dict[str, Any]] = []
    if command["is_batch"]:
        with receive(messages, consumer):
            handle(client, command, consumer, messages, seen)
    else:
        for message in messages:
            handle(client, command, consumer, [message], seen)
    return {"seen": seen}


def handle(
    client: Client, command: dict[str, Any], consumer: Any, messages: list[Any], seen: list[dict[str, Any]]
) -> None:
    """Process messages, and put down what was current in the block of each."""
    for message in messages:
        try:
            with process(message, consumer):
                seen.append(current())
                if command["then"] == "forward":
                    error = Poison("no such order")
                    headers = [(name, value) for name, value in forward(message, error=error)]
                    key, value = content(message)
                    client.send(command["to"], key, value, headers, is_traced=True)
                    raise error
                if command["then"] == "fail":
                    raise Poison("no such order")
        except Poison:
            pass


def current() -> dict[str, Any]:
    """Return what is current: ids, flags, parent, tracestate and baggage."""
    span: Any = trace.get_current_span()
    found = span.get_span_context()
    parent = getattr(span, "parent", None)
    return {
        "trace_id": f"{found.trace_id:032x}",
        "parent_id": f"{parent.span_id:016x}" if parent is not None else None,
        "flags": f"{found.trace_flags:02x}",
        "tracestate": found.trace_state.to_header(),
        "baggage": {name: str(value) for name, value in baggage.get_all().items()},
    }


def context_of(described: dict[str, Any] | None) -> Context:
    """Return the context that a command describes."""
    if described is None:
        return Context()
    fields = {name: described[name] for name in ("traceparent", "tracestate") if described.get(name)}
    context = propagate.extract(fields, Context())
    for name, value in described["baggage"].items():
        context = baggage.set_baggage(name, value, context)
    return context


def content(message: Any) -> tuple[Any, Any]:
    """Return key and value of a message, which are methods in one client."""
    key, value = message.key, message.value
    return (key(), value()) if callable(value) else (key, value)


def encoded(text: str | None) -> bytes | None:
    """Return the octets of a text."""
    return None if text is None else text.encode()
