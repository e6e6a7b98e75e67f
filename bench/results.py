"""What was measured: samples by row and contender, their medians and their spread."""

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.contenders import BARE


class Cell(NamedTuple):
    """One contender in one row of the table."""

    row: str
    contender: str


class Spread(NamedTuple):
    """A median with its quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Samples:
    """One value per repeat and cell; the values of one repeat were taken side by side."""

    values: dict[Cell, list[float]] = field(default_factory=dict)

    def add(self, found: dict[str, float]) -> None:
        """Add what a worker found, by "row | contender"."""
        for name, value in found.items():
            self.values.setdefault(Cell(*name.split(" | ")), []).append(value)

    def has(self, *cells: Cell) -> bool:
        """Tell whether every one of `cells` was measured."""
        return all(cell in self.values for cell in cells)

    def spread(self, cell: Cell) -> Spread:
        """Return the median of `cell` and its quartiles."""
        return _spread(self.values[cell])

    def over_bare(self, cell: Cell) -> list[float]:
        """Return the values of `cell`, less the median of the bare loop where there is one."""
        bare = self.values.get(Cell(cell.row, BARE))
        floor = statistics.median(bare) if bare else 0.0
        return [value - floor for value in self.values[cell]]

    def ratio(self, cell: Cell, reference: Cell) -> Spread:
        """Return the ratio of the medians, and the quartiles of the ratios of each repeat."""
        ours, theirs = self.over_bare(cell), self.over_bare(reference)
        pairs = _spread([one / other for one, other in zip(ours, theirs, strict=True)])
        return Spread(statistics.median(ours) / statistics.median(theirs), pairs.low, pairs.high)


def _spread(values: list[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)
