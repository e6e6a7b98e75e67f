"""The comparison as one HTML page that needs nothing else: waterfalls, in a template beside this module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import jinja2

import unbroken
from unbroken.demo.changes import Change
from unbroken.demo.comparison import Outcome, Traces
from unbroken.demo.traces import Node, Span, Trace

SERVICES = {
    "order-service": "takes requests",
    "payment-service": "charges cards",
    "dead-letter-handler": "writes to customers",
    "refund-worker": "pays back, ten at a time",
}
_STEPS = (5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000)
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """The time of a section, the same for both of its sides: from the first span of a side, in milliseconds."""

    length: float
    ticks: tuple[int, ...]

    def percent(self, milliseconds: float) -> float:
        """Return a time as a place on the axis."""
        return 100 * milliseconds / self.length


@dataclass(frozen=True, slots=True)
class Bar:
    """A span on the axis, in percent; the wait in Kafka before it too."""

    span: Span
    depth: int
    left: float
    width: float
    waited: float
    wait_left: float
    wait_width: float

    @property
    def details(self) -> dict[str, str]:
        """Return what a person wants to know about the span."""
        shown = {
            "service": self.span.service,
            "kind": self.span.kind,
            "duration": f"{self.span.milliseconds:.3f} ms",
            "trace_id": self.span.trace_id,
            "span_id": self.span.span_id,
            "parent_id": self.span.parent_id or "none",
        }
        if self.waited:
            shown["after its parent"] = f"{self.waited:.1f} ms"
        if self.span.error:
            shown["error"] = self.span.error
        if self.span.links:
            shown["links"] = ", ".join(self.span.links)
        return {**shown, **self.span.attributes}

    @property
    def length(self) -> str:
        """Return the duration as it stands beside the bar."""
        milliseconds = self.span.milliseconds
        return f"{milliseconds:.1f} ms" if milliseconds >= 0.1 else f"{milliseconds:.2f} ms"

    @property
    def title(self) -> str:
        """Return the details, one on each line."""
        return "\n".join([self.span.name, *(f"{name}: {value}" for name, value in self.details.items())])


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One trace, drawn; `compact` shows one line until it is opened."""

    trace: Trace
    bars: tuple[Bar, ...]
    compact: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One side of a section."""

    side: str
    why: str
    waterfalls: tuple[Waterfall, ...]
    whole: int


@dataclass(frozen=True, slots=True)
class Section:
    """One scenario: its axis and both sides."""

    outcome: Outcome
    axis: Axis
    columns: tuple[Column, Column]


def render(outcomes: Sequence[Outcome], changes: Sequence[Change], where: str) -> str:
    """Return the page; `where` says what the services ran on, the first of the changes is shown in full."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unbroken.demo", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        sections=[_section(outcome) for outcome in outcomes],
        requests=sum(outcome.requests for outcome in outcomes),
        before=sum(len(outcome.before) for outcome in outcomes),
        after=sum(len(outcome.after) for outcome in outcomes),
        whole_before=sum(outcome.whole_before for outcome in outcomes),
        whole_after=sum(outcome.whole_after for outcome in outcomes),
        changes=changes,
        services=SERVICES,
        where=where,
        version=unbroken.__version__,
    )


def axis(milliseconds: float) -> Axis:
    """Return an axis a little longer than this, with ticks at round times.

    >>> axis(88.0).ticks
    (0, 20, 40, 60, 80)
    """
    length = max(milliseconds, 1.0) * 1.02
    step = next((step for step in _STEPS if length / step <= _TICKS), _STEPS[-1])
    return Axis(length, tuple(range(0, int(length) + 1, step)))


def _section(outcome: Outcome) -> Section:
    scenario = outcome.scenario
    shared = axis(max(_milliseconds(side) for side in (outcome.before, outcome.after)))
    return Section(
        outcome,
        shared,
        (
            Column("before", scenario.before, tuple(_waterfalls(outcome.before, shared)), outcome.whole_before),
            Column("after", scenario.after, tuple(_waterfalls(outcome.after, shared)), outcome.whole_after),
        ),
    )


def _milliseconds(traces: Traces) -> float:
    return (max(trace.end for trace in traces) - min(trace.start for trace in traces)) / 1e6 if traces else 0.0


def _waterfalls(traces: Traces, shared: Axis) -> Iterator[Waterfall]:
    many = len(traces) > 5
    zero = min((trace.start for trace in traces), default=0)
    for trace in traces:
        bars = tuple(_bars(trace.nodes(), zero, shared))
        yield Waterfall(trace, bars, compact=many and not trace.is_broken)


def _bars(nodes: Iterable[Node], zero: int, shared: Axis) -> Iterator[Bar]:
    for node in nodes:
        start = (node.span.start - zero) / 1e6
        waited = node.waited if node.span.kind == "CONSUMER" else 0.0
        yield Bar(
            span=node.span,
            depth=node.depth,
            left=shared.percent(start),
            width=shared.percent(node.span.milliseconds),
            waited=waited,
            wait_left=shared.percent(start - waited),
            wait_width=shared.percent(waited),
        )
