"""The OpenTelemetry setup of the demo's services: spans go to a file, one JSON object a line, and to OTLP if wanted."""

from __future__ import annotations

import faulthandler
import json
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

from unbroken.demo import settings
from unbroken.demo.traces import Span

FAILED = ".otlp-failed"
"""Suffix of the file that says that OTLP refused spans."""


def start(service: str) -> None:
    """Install a tracer provider for this service; its spans are written out before the process ends."""
    # Says where it hangs, and lets no service outlive a demo that was killed.
    faulthandler.dump_traceback_later(settings.SECONDS, exit=True)
    resource = Resource.create({"service.name": service, "deployment.environment.name": settings.SIDE})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(Path(settings.SPANS), service)))
    if settings.OTLP:
        provider.add_span_processor(BatchSpanProcessor(_otlp(settings.OTLP)))
    trace.set_tracer_provider(provider)


class FileExporter(SpanExporter):
    """Appends each span to a file."""

    def __init__(self, path: Path, service: str) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._service = service

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans, one line each, and return SUCCESS."""
        for span in spans:
            self._file.write(json.dumps(seen(span, self._service).to_json()) + "\n")
        self._file.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def seen(span: ReadableSpan, service: str) -> Span:
    """Return what the demo shows of an SDK span."""
    context = span.get_span_context()
    assert context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    return Span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent is not None else None,
        name=span.name,
        kind=span.kind.name,
        service=service,
        start=span.start_time,
        end=span.end_time,
        error=(span.status.description or "error") if not span.status.is_ok else None,
        attributes={name: str(value) for name, value in (span.attributes or {}).items()},
        links=tuple(f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in span.links),
    )


def _otlp(url: str) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    class Noted(OTLPSpanExporter):
        """Leaves a note for the demo when the backend refuses spans."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = super().export(spans)
            if result is not SpanExportResult.SUCCESS:
                Path(settings.SPANS + FAILED).touch()
            return result

    return Noted(endpoint=url, timeout=3)
