"""What a test asks of its spans."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from unbroken.testing import Spans


def sent(spans: Spans) -> list[ReadableSpan]:
    """Return the PRODUCER spans, in the order of their ends."""
    return [span for span in spans.finished if span.kind is SpanKind.PRODUCER]


def processed(spans: Spans) -> list[ReadableSpan]:
    """Return the CONSUMER spans, in the order of their ends."""
    return [span for span in spans.finished if span.kind is SpanKind.CONSUMER]


def trace_of(span: ReadableSpan) -> int:
    """Return the trace id of a span."""
    assert span.context is not None
    trace_id: int = span.context.trace_id
    return trace_id


def attribute(span: ReadableSpan, name: str) -> object:
    """Return an attribute of a span, None when it has none of this name."""
    return (span.attributes or {}).get(name)
