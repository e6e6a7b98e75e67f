"""What the chain left in a store, held against what it has to be."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from interop.chain import Met, traces_of
from interop.expected import pieces
from interop.spans import Span, shape
from interop.stores import Store, linked

_SECONDS_TO_STORE = 60.0  # Jaeger shows a span at once, Tempo within two seconds


@dataclass(frozen=True, slots=True)
class Order:
    """What a store has of one order: the traces in which it was met, and what they link."""

    name: str
    store: Store
    traces: tuple[tuple[Span, ...], ...]
    linked: tuple[Span, ...]
    expected: tuple[str, ...]

    @property
    def shapes(self) -> tuple[str, ...]:
        """The shapes of its traces, in the order of their text."""
        return tuple(sorted(shape(trace, self.known) for trace in self.traces))

    @property
    def known(self) -> tuple[Span, ...]:
        """All spans, those of its traces and those that they link."""
        return (*self.linked, *(span for trace in self.traces for span in trace))

    @property
    def is_as_expected(self) -> bool:
        """Whether every trace has the tree that it has to have, and there are no others."""
        return self.shapes == self.expected


def read(store: Store, met: Sequence[Met], order: str, *, is_broken: bool = False, suffix: str = "") -> Order:
    """Return what a store has of an order: as soon as that is as expected, or else what it has after a minute."""
    expected = pieces(order, is_broken=is_broken)
    deadline = time.monotonic() + _SECONDS_TO_STORE
    while True:
        found = _read(store, traces_of(met, order), order, expected, suffix)
        if found.is_as_expected or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _read(store: Store, trace_ids: Sequence[str], order: str, expected: tuple[str, ...], suffix: str) -> Order:
    traces = sorted(
        (store.spans(trace_id, suffix) for trace_id in trace_ids), key=lambda spans: [s.start for s in spans]
    )
    return Order(
        order, store, tuple(traces), linked(store, [span for trace in traces for span in trace], suffix), expected
    )
