"""Both sides beside each other: for each scenario the traces before and after, and how many requests are whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unbroken.demo.scenarios import SCENARIOS, Scenario
from unbroken.demo.traces import Trace

Traces = tuple[Trace, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one scenario on both sides."""

    scenario: Scenario
    before: Traces
    after: Traces

    @property
    def requests(self) -> int:
        """How many requests it has; each should be one trace."""
        return len(self.scenario.requests)

    @property
    def whole_before(self) -> int:
        """How many of them were one trace of their own before."""
        return whole(self.scenario, self.before)

    @property
    def whole_after(self) -> int:
        """How many of them are one trace of their own with unbroken."""
        return whole(self.scenario, self.after)


def whole(scenario: Scenario, traces: Traces) -> int:
    """Return how many requests are found in one trace, which tells about nothing else."""
    found = [[trace for trace in traces if order in trace.orders] for order in scenario.orders]
    return sum(len(its) == 1 and len(its[0].orders) == 1 for its in found)


def compare(before: Iterable[Trace], after: Iterable[Trace]) -> tuple[Outcome, ...]:
    """Return the outcome of each scenario."""
    before, after = tuple(before), tuple(after)
    return tuple(Outcome(scenario, _about(scenario, before), _about(scenario, after)) for scenario in SCENARIOS)


def _about(scenario: Scenario, traces: Traces) -> Traces:
    return tuple(trace for trace in traces if trace.orders & scenario.orders)
