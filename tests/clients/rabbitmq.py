"""What the tests of both clients of RabbitMQ send and look at."""

from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from tests.contract.conftest import Spans

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ODD_HEADERS: list[Any] = [
    None,
    {},
    {"traceparent": 7},
    {"traceparent": None},
    {"traceparent": {"nested": [PARENT]}},
    {"traceparent": [PARENT]},
    {"traceparent": PARENT.upper()},
    {"tracestate": {"a": 1}, "baggage": 7},
    {"x-death": "text"},
    {"x-death": [7, None, "text"]},
    {"x-death": [{"count": "many", "queue": 7}]},
    {"x-delivery-count": "two"},
    {f"header-{number}": "value" for number in range(1200)},
]
"""Headers of which none may cost a message or its span."""


def trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def settled(spans: Spans) -> list[ReadableSpan]:
    return [span for span in spans.of(SpanKind.CLIENT) if attributes(span)["messaging.operation.type"] == "settle"]
