"""The spans of a worker process, which writes them as lines of JSON to a named pipe, and who waits for them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

_END = b"end\n"


@dataclass(frozen=True, slots=True)
class Exported:
    """One finished span; ids are hexadecimal, `error` is the description of its status."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str | None
    error: str | None
    attributes: dict[str, object]
    links: list[str]
    events: list[str]
    start: int
    process: int


class LinesExporter(SpanExporter):
    """Writes each span as one line, by one system call: several processes may share the pipe."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - open as long as the process

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._file.write(json.dumps(asdict(_exported(span))).encode() + b"\n")
        return SpanExportResult.SUCCESS


class MetricLinesExporter(MetricExporter):
    """Writes each metric as the line of a span of kind METRIC."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - open as long as the process

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:
        for resource in metrics_data.resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in metric.data.data_points:
                    line = Exported(
                        metric.name, "METRIC", "", "", None, None, dict(point.attributes or {}), [], [], 0, os.getpid()
                    )
                    self._file.write(json.dumps(asdict(line)).encode() + b"\n")
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Nothing is held back."""


def export_to(path: str) -> None:
    """Make this process write its spans to the pipe, each as it ends."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(LinesExporter(path)))
    trace.set_tracer_provider(provider)


NEVER = 3_600_000
"""Milliseconds that no test takes."""


def export_when_told(path: str) -> None:
    """Make this process hold its spans and metrics back until it is told to export them, even when it exits."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(LinesExporter(path), schedule_delay_millis=NEVER))
    trace.set_tracer_provider(provider)
    reader = PeriodicExportingMetricReader(MetricLinesExporter(path), export_interval_millis=NEVER)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))


class Pipe:
    """Where worker processes write their spans; a block."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._spans: list[Exported] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(os.open(path, os.O_RDWR),))

    def __enter__(self) -> Pipe:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self.path.open("wb") as pipe:
            pipe.write(_END)
        self._reader.join()

    def wait_for(self, found: Callable[[list[Exported]], bool], seconds: float = 30.0) -> list[Exported]:
        """Return the spans so far, as soon as they are what `found` wants.

        Raises:
            AssertionError: they were not in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: found(self._spans), seconds):
                last = "\n".join(f"{span.trace_id} {span.name}" for span in self._spans[-20:])
                raise AssertionError(
                    f"the spans that were expected did not come in {seconds} s; the last were:\n{last}"
                )
            return list(self._spans)

    def of_trace(self, trace_id: str, count: int) -> list[Exported]:
        """Return the spans of a trace, as soon as there are `count` of them, in the order of their starts."""
        spans = self.wait_for(lambda spans: sum(span.trace_id == trace_id for span in spans) >= count)
        return sorted((span for span in spans if span.trace_id == trace_id), key=lambda span: span.start)

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as lines:
            for line in iter(lines.readline, _END):
                with self._changed:
                    self._spans.append(Exported(**json.loads(line)))
                    self._changed.notify_all()


def _exported(span: ReadableSpan) -> Exported:
    assert span.context is not None
    return Exported(
        name=span.name,
        kind=span.kind.name,
        trace_id=f"{span.context.trace_id:032x}",
        span_id=f"{span.context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent is not None else None,
        error=span.status.description if not span.status.is_ok else None,
        attributes=dict(span.attributes or {}),
        links=[f"{link.context.span_id:016x}" for link in span.links],
        events=[event.name for event in span.events],
        start=span.start_time or 0,
        process=os.getpid(),
    )
