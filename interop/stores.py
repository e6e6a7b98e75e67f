"""Jaeger and Tempo, asked for a trace."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

from interop.spans import Span, read
from services.backend import Backend


class Store(Protocol):
    """A server that stores traces."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def backend(self) -> Backend:
        """Its addresses."""
        ...

    def spans(self, trace_id: str, without: str = "") -> tuple[Span, ...]:
        """Return the spans that it has of this trace by now; `without` is cut from their names."""
        ...

    def page(self, trace_id: str) -> str:
        """Return where a person sees the trace."""
        ...


@dataclass(frozen=True, slots=True)
class Jaeger:
    """A Jaeger."""

    backend: Backend
    name: str = "Jaeger"

    def spans(self, trace_id: str, without: str = "") -> tuple[Span, ...]:
        """Return the spans that it has of this trace by now."""
        answer = _asked(f"{self.backend.query}/api/v3/traces/{trace_id}")
        return read(answer["result"]["resourceSpans"], without) if answer else ()

    def page(self, trace_id: str) -> str:
        """Return the page of the trace."""
        return f"{self.backend.query}/trace/{trace_id}"


@dataclass(frozen=True, slots=True)
class Tempo:
    """A Tempo, which has no pages of its own: Grafana shows its traces, and its API answers in JSON."""

    backend: Backend
    name: str = "Tempo"

    def spans(self, trace_id: str, without: str = "") -> tuple[Span, ...]:
        """Return the spans that it has of this trace by now."""
        answer = _asked(f"{self.backend.query}/api/traces/{trace_id}")
        return read(answer["batches"], without) if answer else ()

    def page(self, trace_id: str) -> str:
        """Return the answer of its API for the trace."""
        return f"{self.backend.query}/api/traces/{trace_id}"


def linked(store: Store, spans: Iterable[Span], without: str = "") -> tuple[Span, ...]:
    """Return the spans of the other traces that these spans link: polls, and what stock code only links."""
    spans = tuple(spans)
    ids = {link[0] for span in spans for link in span.links} - {span.trace_id for span in spans}
    return tuple(span for trace_id in sorted(ids) for span in store.spans(trace_id, without))


def _asked(url: str) -> dict[str, Any] | None:
    """The answer in JSON, None for a trace that is not known yet."""
    try:
        with urlopen(url, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except HTTPError as error:
        with error:
            if error.code == 404:
                return None
            raise
