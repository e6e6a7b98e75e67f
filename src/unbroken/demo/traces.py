"""Spans as the demo keeps them, and the traces that they make."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ORDER = "order.id"
"""The attribute by which a person finds what belongs together when the trace does not show it."""


@dataclass(frozen=True, slots=True)
class Span:
    """One finished span; times in nanoseconds since the epoch, ids in hex, links as `trace_id-span_id`."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start: int
    end: int
    error: str | None
    attributes: Mapping[str, str]
    links: tuple[str, ...]

    @property
    def milliseconds(self) -> float:
        """How long the span took."""
        return (self.end - self.start) / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Span:
        """Return the span that `to_json` described."""
        named: dict[str, Any] = {**values, "links": tuple(values["links"])}
        return cls(**named)


@dataclass(frozen=True, slots=True)
class Node:
    """A span in its place: how deep below the root, and how long the message waited in Kafka before it."""

    span: Span
    depth: int
    waited: float


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one trace id, in the order of their start."""

    trace_id: str
    spans: tuple[Span, ...]

    @property
    def root(self) -> Span:
        """The first span without a parent in this trace."""
        known = {span.span_id for span in self.spans}
        return next(span for span in self.spans if span.parent_id not in known)

    @property
    def orders(self) -> frozenset[str]:
        """The orders that this trace tells about."""
        return frozenset(span.attributes[ORDER] for span in self.spans if ORDER in span.attributes)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that took part, in order of appearance."""
        return tuple(dict.fromkeys(span.service for span in self.spans))

    @property
    def start(self) -> int:
        """When its first span started."""
        return min(span.start for span in self.spans)

    @property
    def end(self) -> int:
        """When its last span ended."""
        return max(span.end for span in self.spans)

    @property
    def is_broken(self) -> bool:
        """Whether it begins with a consumed message, whose producer's trace it should have been."""
        return self.root.kind == "CONSUMER"

    def nodes(self) -> Iterator[Node]:
        """Yield every span below its parent, siblings in the order of their start."""
        known = {span.span_id: span for span in self.spans}
        children: dict[str | None, list[Span]] = defaultdict(list)
        for span in self.spans:
            children[span.parent_id if span.parent_id in known else None].append(span)

        def below(parent: str | None, depth: int) -> Iterator[Node]:
            for span in children[parent]:
                sender = known.get(span.parent_id or "")
                waited = max(0.0, (span.start - sender.end) / 1e6) if sender is not None else 0.0
                yield Node(span, depth, waited)
                yield from below(span.span_id, depth + 1)

        return below(None, 0)


def traces_of(spans: Iterable[Span]) -> tuple[Trace, ...]:
    """Return the traces that these spans make, in the order of their start."""
    found: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start):
        found[span.trace_id].append(span)
    return tuple(Trace(trace_id, tuple(members)) for trace_id, members in found.items())


def read(folder: Path, without: str = "") -> tuple[Trace, ...]:
    """Return the traces in the files of a folder; `without` is cut from the names of spans."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    if without:
        lines = [line.replace(without, "") for line in lines]
    return traces_of(Span.from_json(json.loads(line)) for line in lines)
