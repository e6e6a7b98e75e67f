"""The vectors of conformance/, run: one test for each, named after it."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context

from unbroken import Policy, attached, configure, extract, forward, inject, process, send
from unbroken.propagation import w3c

Vector = dict[str, Any]
Headers = list[tuple[str, bytes | None]]

FOLDER = Path(__file__).parents[2] / "conformance"
FIELDS = ("traceparent", "tracestate", "baggage")


def vectors(file: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["id"]) for vector in json.loads((FOLDER / file).read_text("utf-8"))["vectors"]
    ]


def octets(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def headers_of(vector: Vector) -> Headers | None:
    headers = vector["headers"]
    return None if headers is None else [(name, octets(value)) for name, value in headers]


def is_text(vector: Vector) -> bool:
    """Return whether a mapping of text can hold the headers: no name twice, no value that is null or no text."""
    headers = headers_of(vector) or []
    names = [name for name, _ in headers]
    return len(names) == len(set(names)) and all(value is not None and value.isascii() for _, value in headers)


def ids(span_context: SpanContext) -> dict[str, str]:
    return {"trace_id": f"{span_context.trace_id:032x}", "span_id": f"{span_context.span_id:016x}"}


def span_context_of(vector: Vector) -> SpanContext:
    """Return the span context of a vector; its state comes from `extract`, OpenTelemetry's knows level 1 only."""
    carrier = [
        ("traceparent", b"00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01"),
        ("tracestate", (vector["tracestate"] or "").encode()),
    ]
    return SpanContext(
        trace_id=int(vector["trace_id"], 16),
        span_id=int(vector["span_id"], 16),
        is_remote=False,
        trace_flags=TraceFlags(int(vector["flags"], 16)),
        trace_state=get_current_span(extract(carrier)).get_span_context().trace_state,
    )


def error_of(name: str, message: str = "") -> Exception:
    """Return an exception whose class has this qualified name."""
    package, _, name = name.rpartition(".")
    kind = type(name, (Exception,), {"__module__": package}) if package else getattr(builtins, name)
    error = kind(message)
    assert isinstance(error, Exception)
    return error


def message_of(vector: Vector) -> Any:
    """Return a real message of confluent-kafka."""
    client = pytest.importorskip("confluent_kafka")
    try:
        return client.Message(
            topic=vector["destination"],
            partition=vector["partition"],
            offset=vector["offset"],
            key=octets(vector.get("key")),
            value=octets(vector.get("value")),
            headers=headers_of(vector),
        )
    except TypeError:
        pytest.skip("this confluent-kafka has no constructor for messages")


@pytest.fixture
def consumer() -> Iterator[Callable[[Vector], Any]]:
    """A function that returns a consumer that tells of itself what the vector says, or None where it says nothing."""
    opened: list[Any] = []

    def consumer_of(vector: Vector) -> Any:
        told = {"group.id": vector["group"], "client.id": vector["client_id"]}
        config = {name: value for name, value in told.items() if value is not None}
        if not config:
            return None
        from unbroken.clients.confluent_kafka import Consumer

        opened.append(Consumer(config))
        return opened[-1]

    yield consumer_of
    for each in opened:
        each.close()


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[Any, ...]]]:
    """A function that returns the spans that were made; the sampler takes everything."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider(sampler=ALWAYS_ON)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter.get_finished_spans
    provider.shutdown()


@pytest.fixture
def policy() -> Iterator[Callable[[Vector], None]]:
    """A function that puts the policy of a vector in force for the test."""
    before = configure(Policy())

    def put_in_force(vector: Vector) -> None:
        rules: dict[str, Any] = {name: tuple(rule) if isinstance(rule, list) else rule for name, rule in vector.items()}
        configure(Policy(**rules))

    yield put_in_force
    configure(before)


@pytest.mark.parametrize("vector", vectors("extract.json"))
def test_read(vector: Vector) -> None:
    carried = w3c.read(headers_of(vector) or [], vector["duplicates"])

    def shown(parent: w3c.TraceParent | None) -> Vector:
        if parent is None:
            return {"trace_id": None, "span_id": None, "flags": None}
        text = w3c.format_traceparent(*parent)
        return {"trace_id": text[3:35], "span_id": text[36:52], "flags": text[53:]}

    assert {
        "outcome": "root" if carried.parent is None else "parent",
        **shown(carried.parent),
        "tracestate": w3c.format_tracestate(carried.tracestate) or None,
        "baggage": {name: {"value": value, "properties": value.properties} for name, value in carried.baggage.items()},
        "links": [shown(other) for other in carried.others],
        "malformed": sorted((found.field for found in carried.problems for _ in range(found.number)), key=FIELDS.index),
    } == vector["expect"]


@pytest.mark.parametrize("vector", vectors("extract.json"))
def test_extract(vector: Vector) -> None:
    context = extract(headers_of(vector), duplicates=vector["duplicates"])
    span_context = get_current_span(context).get_span_context()
    expect = vector["expect"]
    assert span_context.is_valid == (expect["outcome"] == "parent")
    if span_context.is_valid:
        assert ids(span_context) == {name: expect[name] for name in ("trace_id", "span_id")}
        assert f"{span_context.trace_flags:02x}" == expect["flags"]
        assert span_context.trace_state.to_header() == (expect["tracestate"] or "")
    assert baggage.get_all(context) == {name: member["value"] for name, member in expect["baggage"].items()}


@pytest.mark.parametrize("vector", vectors("inject.json"))
def test_inject(vector: Vector) -> None:
    given, context = vector["context"], Context()
    if given["trace_id"] is not None:
        context = set_span_in_context(NonRecordingSpan(span_context_of(given)), context)
    for member in given["baggage"]:
        value = w3c.BaggageValue(member["value"], member["properties"])
        context = baggage.set_baggage(member["name"], value, context)
    headers = headers_of(vector)
    assert inject(headers, context=context) == headers_of(vector["expect"])
    assert headers == headers_of(vector)


@pytest.mark.parametrize("vector", vectors("process.json"))
def test_process(
    vector: Vector,
    consumer: Callable[[Vector], Any],
    finished: Callable[[], tuple[Any, ...]],
    policy: Callable[[Vector], None],
) -> None:
    message, expect = message_of(vector["message"]), vector["expect"]
    policy(vector["policy"])
    error = None if vector["error"] is None else error_of(vector["error"])
    ambient = ambient_of(vector["ambient"])
    with attached(ambient):
        raising: AbstractContextManager[Any] = pytest.raises(type(error)) if error is not None else nullcontext()
        with raising as raised, process(message, consumer(vector["message"])):
            current = get_current_span().get_span_context()
            assert baggage.get_all() == expect["baggage"]
            if error is not None:
                raise error
        assert error is None or raised.value is error
        assert get_current_span() is get_current_span(ambient)
        assert baggage.get_all() == baggage.get_all(ambient)
    if expect["span"] is None:
        assert finished() == ()
        assert (ids(current) if current.is_valid else None) == expect["current"]
    else:
        (span,) = finished()
        assert shown_span(span, vector) == expect["span"] | {"links": in_order(expect["span"]["links"])}
        assert current == span.get_span_context()


def ambient_of(vector: Vector | None) -> Context:
    context = Context()
    if vector is not None:
        if vector["traceparent"] is not None:
            context = extract([("traceparent", vector["traceparent"].encode())])
        for name, value in vector["baggage"].items():
            context = baggage.set_baggage(name, value, context)
    return context


def shown_span(span: Any, vector: Vector) -> Vector:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "parent": None if span.parent is None else ids(span.parent),
        "trace": trace_of(span, trace_ids(vector["ambient"], vector["message"])),
        "tracestate": span.context.trace_state.to_header() or None,
        "links": in_order([ids(link.context) for link in span.links]),
        "attributes": dict(span.attributes),
        "status": span.status.status_code.name.lower(),
    }


def trace_ids(ambient: Vector | None, *messages: Vector | None) -> set[int]:
    """Return the trace ids that are known before the span is made."""
    known = {get_current_span(ambient_of(ambient)).get_span_context().trace_id}
    for message in messages:
        carried = w3c.read(headers_of(message or {"headers": None}) or [])
        known |= {parent.trace_id for parent in (carried.parent, *carried.others) if parent is not None}
    return known


def trace_of(span: Any, known: set[int]) -> str:
    if span.parent is not None:
        return "same as parent" if span.parent.trace_id == span.context.trace_id else "another than its parent"
    return "known" if span.context.trace_id in known else "new"


def in_order(links: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(links, key=lambda link: (link["trace_id"], link["span_id"]))


@pytest.mark.parametrize("vector", vectors("send.json"))
def test_send(vector: Vector, finished: Callable[[], tuple[Any, ...]], policy: Callable[[Vector], None]) -> None:
    headers = headers_of(vector)
    span, sent = sent_by(vector, headers, finished, policy)
    assert span == in_place(vector["expect"]["span"])
    assert sent == headers_of(vector["expect"])
    assert headers == headers_of(vector)


@pytest.mark.parametrize("system", ["rabbitmq", "aws_sqs"])
@pytest.mark.parametrize("vector", [each for each in vectors("send.json") if is_text(each.values[0])])
def test_send_on_a_wire_of_text(
    vector: Vector, system: str, finished: Callable[[], tuple[Any, ...]], policy: Callable[[Vector], None]
) -> None:
    def on_the_wire(headers: Headers | None) -> dict[str, Any]:
        texts = {name: value.decode() for name, value in headers or () if value is not None}
        if system == "rabbitmq":
            return texts
        return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}

    span, sent = sent_by(vector, on_the_wire(headers_of(vector)), finished, policy, system)
    operation = {"rabbitmq": "publish", "aws_sqs": "send"}[system]
    expected = in_place(vector["expect"]["span"])
    assert span == (expected and expected | {"name": f"{operation} orders"})
    assert sent == on_the_wire(headers_of(vector["expect"]))


def sent_by(
    vector: Vector,
    headers: Any,
    finished: Callable[[], tuple[Any, ...]],
    policy: Callable[[Vector], None],
    system: str = "kafka",
) -> tuple[Vector | None, Any]:
    """Return the span of the send, None for none, and the headers that it sends with placeholders for its ids."""
    policy(vector["policy"])
    with (
        attached(ambient_of(vector["ambient"])),
        processed_around(vector["processing"]) as handling,
        send(vector["destination"], headers, system=system) as sending,
    ):
        pass
    spans = [span for span in finished() if span.kind.name != "CONSUMER"]
    if not spans:
        return None, sending.headers
    (span,) = spans
    parent = None if span.parent is None else ids(span.parent)
    shown = {
        "name": span.name,
        "kind": span.kind.name,
        "parent": "process span" if handling and parent == ids(handling.get_span_context()) else parent,
        "trace": trace_of(span, trace_ids(vector["ambient"], vector, vector["processing"])),
        "tracestate": span.context.trace_state.to_header() or None,
        "links": in_order([ids(link.context) for link in span.links]),
    }
    return shown, with_placeholders(sending.headers, span.context)


def processed_around(vector: Vector | None) -> AbstractContextManager[Any]:
    """Return the block of the message that is being processed, which gives its span; nothing for none."""
    if vector is None:
        return nullcontext()
    block: AbstractContextManager[Any] = process(
        message_of({"destination": "orders", "partition": 3, "offset": 42, **vector})
    )
    return block


def with_placeholders(headers: Any, span_context: SpanContext) -> Any:
    own = w3c.format_traceparent(span_context.trace_id, span_context.span_id, span_context.trace_flags)
    shown = "00-{trace_id}-{span_id}-{flags}"
    if not isinstance(headers, dict):
        return [(name, shown.encode() if value == own.encode() else value) for name, value in headers]
    attribute = {"DataType": "String", "StringValue": own}
    return {
        name: shown if value == own else {**attribute, "StringValue": shown} if value == attribute else value
        for name, value in headers.items()
    }


def in_place(span: Vector | None) -> Vector | None:
    """Return an expected span with its links in the order in which they are compared."""
    return span and span | {"links": in_order(span["links"])}


@pytest.mark.parametrize("vector", vectors("forward.json"))
def test_forward(vector: Vector, finished: Callable[[], tuple[Any, ...]]) -> None:
    message, current = message_of(vector["message"]), vector["current"]
    error = None if vector["error"] is None else error_of(vector["error"]["type"], vector["error"]["message"])
    with attached(Context()), process(message) if vector["block"] else nullcontext():
        span = get_current_span() if current is None else NonRecordingSpan(span_context_of(current))
        with attached(set_span_in_context(span)):
            headers = forward(message, error=error)
    assert headers == headers_of(vector["expect"])
    assert message.headers() == headers_of(vector["message"])
