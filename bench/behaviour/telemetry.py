"""What an application sees of its tracer, the same for OpenTelemetry and ddtrace."""

# ruff: noqa: D102 - what the methods do stands once, at `Telemetry`

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

APPLICATION = ("handler", "request")
"""The spans that the scenarios make themselves."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A finished span that the contender made: trace ids are 32 hexadecimal digits."""

    name: str
    trace: str
    linked: tuple[str, ...]
    attributes: Mapping[str, object]


class Telemetry(Protocol):
    """A tracer as the handler uses it."""

    def handler(self) -> str:
        """Open and end a span as a handler does, and return its trace."""

    def request(self) -> Any:
        """Return a block in which the span of a request is current; it gives the trace."""

    def ambient(self) -> object:
        """Return what is current now, comparable."""

    def spans(self) -> list[Seen]:
        """Return the finished spans of the contender, without those of the application."""

    def metrics(self) -> list[str]:
        """Return the names of the OpenTelemetry metrics that were recorded."""


class OpenTelemetry:
    """The SDK of OpenTelemetry, as `bench.tracing` provides it, with spans and metrics kept in memory."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._exporter = InMemorySpanExporter()
        provider = trace.get_tracer_provider()
        assert isinstance(provider, TracerProvider)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([self._reader]))
        self._tracer = trace.get_tracer("application")

    def handler(self) -> str:
        with self._tracer.start_as_current_span("handler") as span:
            return f"{span.get_span_context().trace_id:032x}"

    @contextmanager
    def request(self) -> Iterator[str]:
        with self._tracer.start_as_current_span("request") as span:
            yield f"{span.get_span_context().trace_id:032x}"

    def ambient(self) -> object:
        from opentelemetry.trace import get_current_span

        return get_current_span().get_span_context()

    def spans(self) -> list[Seen]:
        return [
            Seen(
                span.name,
                f"{span.context.trace_id:032x}" if span.context else "",
                tuple(f"{link.context.trace_id:032x}" for link in span.links),
                dict(span.attributes or {}),
            )
            for span in self._exporter.get_finished_spans()
            if span.name not in APPLICATION
        ]

    def metrics(self) -> list[str]:
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data else ()
        return [metric.name for each in resources for scope in each.scope_metrics for metric in scope.metrics]


class Datadog:
    """ddtrace, with finished spans kept in memory and not sent."""

    def __init__(self) -> None:
        from ddtrace.trace import Span, TraceFilter, tracer

        self._tracer = tracer
        finished: list[Span] = []
        self._finished = finished

        class Keep(TraceFilter):
            def process_trace(self, trace: list[Span]) -> None:
                finished.extend(trace)

        tracer.configure(trace_processors=[Keep()])

    def handler(self) -> str:
        with self._tracer.trace("handler") as span:
            return f"{span.trace_id:032x}"

    @contextmanager
    def request(self) -> Iterator[str]:
        with self._tracer.trace("request") as span:
            yield f"{span.trace_id:032x}"

    def ambient(self) -> object:
        active = self._tracer.current_trace_context()
        return (active.trace_id, active.span_id) if active else None

    def spans(self) -> list[Seen]:
        return [
            Seen(
                span.name,
                f"{span.trace_id:032x}",
                tuple(f"{link.trace_id:032x}" for link in getattr(span, "_links", ()) or ()),
                {**span.get_tags(), **span.get_metrics()},
            )
            for span in self._finished
            if span.name not in APPLICATION
        ]

    def metrics(self) -> list[str]:
        return []
