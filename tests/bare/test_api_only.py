"""Where only OpenTelemetry's API is installed the context still travels, and nothing asks for an SDK or a client."""

import sys
from dataclasses import dataclass, field

import pytest
from opentelemetry.context import get_current
from opentelemetry.trace import get_current_span

from unbroken import attached, bind, extract, forward, inject, process
from unbroken.messaging.message import MessageType, register
from unbroken.propagation.carriers import PAIRS

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = [("user", b"kept"), ("traceparent", TRACEPARENT)]


@dataclass(frozen=True)
class Record:
    """A message of a client that exists only here."""

    headers: list[tuple[str, bytes]] = field(default_factory=lambda: list(HEADERS))


register(
    Record,
    MessageType(
        system="kafka",
        carrier=PAIRS,
        headers=lambda record: record.headers,
        destination=lambda record: "orders",
        attributes=lambda record: {},
        per_message_attributes=(),
        source=lambda record: "orders/0/7",
        timestamp=lambda record: None,
        error=lambda record: None,
        consumer=lambda consumer: {},
    ),
)


def trace_id() -> str:
    return f"{get_current_span().get_span_context().trace_id:032x}"


def test_without_a_context_nothing_is_injected() -> None:
    assert inject() == []


def test_a_context_travels_from_headers_to_headers() -> None:
    with attached(extract(HEADERS)):
        assert inject([("user", b"new")]) == [("user", b"new"), ("traceparent", TRACEPARENT)]


def test_a_context_travels_into_another_thread() -> None:
    with attached(extract(HEADERS)):
        bound = bind(trace_id)
    assert bound() == TRACEPARENT[3:35].decode()


def test_a_handler_runs_in_the_trace_of_its_message() -> None:
    before = get_current()
    with process(Record()):
        assert trace_id() == TRACEPARENT[3:35].decode()
        assert dict(inject())["traceparent"] == TRACEPARENT
    assert get_current() == before


def test_a_message_is_forwarded_in_its_own_trace_with_the_headers_it_had() -> None:
    headers = forward(Record())
    assert headers[0] == ("user", b"kept")
    assert [value for name, value in headers if name == "traceparent"] == [TRACEPARENT]


def test_the_fixture_that_needs_the_sdk_says_so(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(pytest.fail.Exception, match=r"OpenTelemetry SDK.*unbroken\[testing\]"):
        request.getfixturevalue("spans")
