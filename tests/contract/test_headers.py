"""The application's headers go with the context, and what is odd in them costs neither the message nor its trace."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext

from tests.contract.clients import Client
from tests.contract.conftest import Spans
from unbroken import forward, inject, process

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def arrived(client: Client, topic: str, headers: Any = None) -> Any:
    """The message as a consumer gets it, sent by the drop-in producer inside a span."""
    with trace.get_tracer("test").start_as_current_span("order"):
        client.send(topic, headers=headers)
    client.flush()
    with client.reader(topic) as reader:
        return reader.one()


def processed(client: Client, topic: str, headers: list[tuple[str, bytes]]) -> SpanContext:
    """The process span of a message that a plain client sent with these headers."""
    client.send_plain(topic, b"value", client.given(headers))
    with client.reader(topic) as reader, process(reader.one()) as span:
        found: SpanContext = span.get_span_context()
        return found


def test_a_header_in_another_case_is_found(client: Client, topic: str, spans: Spans) -> None:
    assert processed(client, topic, [("TraceParent", PARENT.encode())]).trace_id == 0x0AF7651916CD43DD8448EB211C80319C


def test_white_space_around_a_header_is_trimmed(client: Client, topic: str, spans: Spans) -> None:
    assert processed(client, topic, [("traceparent", f" {PARENT} ".encode())]).trace_id == int(PARENT[3:35], 16)


@pytest.mark.parametrize("value", [b"nonsense", PARENT.upper().encode(), b"0" * 55])
def test_a_malformed_traceparent_starts_a_trace(client: Client, topic: str, spans: Spans, value: bytes) -> None:
    processed(client, topic, [("traceparent", value)])
    assert spans.processed[0].parent is None


def test_a_malformed_traceparent_costs_no_message(client: Client, topic: str, spans: Spans) -> None:
    client.send_plain(topic, b"first", client.given([("traceparent", b"nonsense")]))
    client.send_plain(topic, b"second", client.given([("traceparent", PARENT.encode())]))
    with client.reader(topic) as reader:
        values = set()
        for message in reader.take(2):
            with process(message, reader.consumer):
                values.add(client.value(message))
    assert values == {b"first", b"second"}


def test_the_tracestate_arrives(client: Client, topic: str, spans: Spans) -> None:
    span_context = processed(client, topic, [("traceparent", PARENT.encode()), ("tracestate", b"rojo=1,congo=2")])
    assert list(span_context.trace_state.items()) == [("rojo", "1"), ("congo", "2")]


def test_the_headers_of_the_application_go_with_the_context(client: Client, topic: str, spans: Spans) -> None:
    message = arrived(client, topic, client.given([("tenant", b"a")]))
    assert {name for name, _ in client.headers(message)} == {"tenant", "traceparent"}


def test_the_headers_of_the_application_are_not_changed(client: Client, topic: str, spans: Spans) -> None:
    headers = client.given([("tenant", b"a")])
    arrived(client, topic, headers)
    assert headers == client.given([("tenant", b"a")])


def test_headers_that_were_injected_before_are_replaced(client: Client, topic: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("order"):
        message = arrived(client, topic, inject(client.given([("tenant", b"a")]), wire=client.wire))
    assert sorted(name for name, _ in client.headers(message)) == ["tenant", "traceparent"]


def test_forward_leaves_the_received_headers_as_they_were(client: Client, topic: str, spans: Spans) -> None:
    message = arrived(client, topic, client.given([("tenant", b"a")]))
    before = client.headers(message)
    with process(message):
        forward(message, error=ValueError("no"))
    assert client.headers(message) == before
