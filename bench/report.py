"""What was measured, as one value for each section: the figures, the bars, the versions, the machine.

results.json holds them by the name of the section. A section that was run alone replaces its own and tells its own
revision, so no figure passes for one of another run.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import environments
from bench.bars import BARS
from bench.results import Cell, Samples, Spread


@dataclass(frozen=True, slots=True)
class Figure:
    """What one contender takes in one row; µs, but for rows that name another unit."""

    row: str
    contender: str
    repeats: int
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured against a bar, and whether it is met."""

    what: str
    measured: float
    low: float
    high: float
    at_most: float
    met: bool
    note: str


@dataclass(frozen=True, slots=True)
class Report:
    """A section of a run: `python -m bench` prints it, results.json holds it, the documentation shows it."""

    figures: tuple[Figure, ...]
    verdicts: tuple[Verdict, ...]
    scale: Mapping[str, int]
    versions: Mapping[str, Mapping[str, str]]
    machine: Mapping[str, str | int]
    revision: str

    def as_json(self) -> dict[str, object]:
        """Return the report as what `json.dumps` takes."""
        return asdict(self)


def report(samples: Samples, scale: Mapping[str, int], used: Iterable[str]) -> Report:
    """Return the report of what was measured in the environments `used`."""
    return Report(
        figures=tuple(_figure(samples, cell) for cell in samples.values),
        verdicts=tuple(_verdicts(samples)),
        scale=scale,
        versions={name: environments.versions(name) for name in used},
        machine=machine(),
        revision=environments.revision(),
    )


def machine() -> dict[str, str | int]:
    """Return what kind of machine this is; nothing that tells which one."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _figure(samples: Samples, cell: Cell) -> Figure:
    spread = samples.spread(cell)
    return Figure(*cell, len(samples.values[cell]), *(round(value, 3) for value in spread))


def _verdicts(samples: Samples) -> list[Verdict]:
    found = []
    for bar in BARS:
        measured: Spread | None = bar.measured(samples)
        if measured is not None:
            median, low, high = (round(value, 3) for value in measured)
            found.append(Verdict(bar.what, median, low, high, bar.at_most, measured.median <= bar.at_most, bar.note))
    return found
