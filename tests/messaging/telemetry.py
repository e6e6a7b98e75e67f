"""What the tests of one message, one span, look at: real messages, finished spans, points of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, get_current_span

from unbroken import extract
from unbroken.testing import Record

IDS = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
TRACEPARENT = f"00-{IDS}-01".encode()
UNSAMPLED = f"00-{IDS}-00".encode()
OTHER = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"
TRACED = (("traceparent", TRACEPARENT),)

Headers = Sequence[tuple[str, bytes | None]]
Finished = Callable[[], tuple[ReadableSpan, ...]]


def message(headers: Headers | None = TRACED, *, topic: str = "orders", **facts: Any) -> Any:
    """Return a message of confluent-kafka; where it cannot be made, a record of our in-memory broker."""
    facts = {"partition": 3, "offset": 7, "key": b"k", "value": b"v", "timestamp": (0, 0), **facts}
    given: Any = None if headers is None else list(headers)
    try:
        from confluent_kafka import Message

        return Message(topic=topic, headers=given, **facts)
    except (ImportError, TypeError):
        milliseconds = facts.pop("timestamp")[1]
        return Record(topic=topic, headers=given or [], timestamp=milliseconds / 1000, **facts)


def fact(one: Any, name: str) -> Any:
    """Return what a message of `message` holds: methods of confluent-kafka, attributes of our record."""
    found = getattr(one, name)
    return found() if callable(found) else found


def creation(headers: Headers = TRACED) -> SpanContext:
    """Return the creation context that headers carry."""
    return get_current_span(extract(list(headers))).get_span_context()


def here(context: Context | None = None) -> SpanContext:
    """Return the span context that is current."""
    return get_current_span(context).get_span_context()


def ids(span_context: SpanContext | None) -> tuple[int, int]:
    """Return trace id and span id, zeroes for none."""
    return (0, 0) if span_context is None else (span_context.trace_id, span_context.span_id)


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    """Return the ids that a span links."""
    return [ids(link.context) for link in span.links]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def points(reader: InMemoryMetricReader, name: str) -> list[tuple[dict[str, Any], Any]]:
    """Return attributes and point of each series of a metric since the reader was made."""
    data = reader.get_metrics_data()
    if data is None:
        return []
    return [
        (dict(point.attributes or {}), point)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def counts(reader: InMemoryMetricReader, name: str) -> list[int]:
    """Return how often a metric was recorded, or what it counted, for each series."""
    return [point.count if hasattr(point, "count") else point.value for _, point in points(reader, name)]
