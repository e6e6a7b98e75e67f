"""What the processes of a fault run tell: one JSON line each on standard output."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


@dataclass(frozen=True, slots=True)
class Ready:
    """The consumer has its partitions."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker has the record; `trace` is the trace of its send span."""

    key: str
    trace: str


@dataclass(frozen=True, slots=True)
class Processed:
    """A record was processed.

    Attributes:
        created: the trace in which the record was sent, as its value says.
        trace: the trace that was current while it was processed.
        clean: whether nothing was attached afterwards.
    """

    key: str
    created: str
    trace: str
    clean: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """The client has said that something is wrong with the broker."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A span has ended."""

    kind: str
    trace: str
    span: str
    offset: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The process is about to end.

    Attributes:
        sends: how often it has called `produce` or `send`.
        clean: whether nothing was attached whenever it looked.
    """

    sends: int
    clean: bool


_SECONDS_TO_FINISH = 90.0

Event = Ready | Acknowledged | Processed | Trouble | Ended | Finished
_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Ready, Acknowledged, Processed, Trouble, Ended, Finished)
}


def emit(event: Event) -> None:
    """Write one event."""
    sys.stdout.write(json.dumps([type(event).__name__, asdict(event)]) + "\n")
    sys.stdout.flush()


def read(line: str) -> Event:
    """Return the event of a line."""
    name, facts = json.loads(line)
    return _KINDS[name](**facts)


def current_trace() -> str:
    """Return the trace id of the current span, in hexadecimal."""
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def is_clean() -> bool:
    """Return whether nothing is attached."""
    return get_current() == Context()


def told_to_stop() -> threading.Event:
    """Return an event that is set when standard input ends: the test says so, or is gone.

    A process that then waits for a broker that is gone too ends without a word after a while.
    """
    stop = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        stop.set()
        last_resort = threading.Timer(_SECONDS_TO_FINISH, os._exit, [os.EX_TEMPFAIL])
        last_resort.daemon = True
        last_resort.start()

    threading.Thread(target=listen, daemon=True).start()
    return stop


def tell_spans() -> None:
    """Make every ended span an event."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_Telling()))
    trace.set_tracer_provider(provider)


class _Telling(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            assert span.context is not None
            facts = span.attributes or {}
            offset, error = facts.get("messaging.kafka.offset"), facts.get("error.type")
            emit(
                Ended(
                    kind=span.kind.name,
                    trace=f"{span.context.trace_id:032x}",
                    span=f"{span.context.span_id:016x}",
                    offset=offset if isinstance(offset, int) else None,
                    error=error if isinstance(error, str) else None,
                )
            )
        return SpanExportResult.SUCCESS
