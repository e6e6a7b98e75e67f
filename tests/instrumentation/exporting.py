"""The configurator of the applications under test: every span is a line of JSON in the file that SPANS_FILE names."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext


class Lines(SpanExporter):
    """Appends to a file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as file:
            file.writelines(json.dumps(_facts(span)) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name,
        "id": _id(span.get_span_context()),
        "trace": _trace(span.get_span_context()),
        "parent": _id(span.parent),
        "links": [_id(link.context) for link in span.links],
        "attributes": dict(span.attributes or {}),
        "scope": span.instrumentation_scope.name if span.instrumentation_scope else "",
        "failed": not span.status.is_ok,
    }


def _id(context: SpanContext | None) -> str:
    return "" if context is None else f"{context.span_id:016x}"


def _trace(context: SpanContext | None) -> str:
    return "" if context is None else f"{context.trace_id:032x}"


class Configurator:
    """What `opentelemetry-instrument` calls before it loads the instrumentors."""

    def configure(self, **_: object) -> None:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(Lines(os.environ["SPANS_FILE"])))
        trace.set_tracer_provider(provider)
