"""`python -m bench.companions`: measure Java and Node, print, write `bench/companions.json`.

A language whose tools are missing is left out, and stays in the file as it was.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench import environments
from bench.companions import java, node, table
from bench.companions.cells import BYTES, CPU, Operation, verdicts
from bench.report import machine
from bench.results import Cell, Samples
from bench.terminal import shown

RESULTS = environments.ROOT / "bench" / "companions.json"
PARTIAL = environments.ENVIRONMENTS / "companions.json"

LANGUAGES: dict[str, ModuleType] = {"java": java, "node": node}


def main(argv: list[str] | None = None) -> int:
    """Run what `argv` asks for and return 0: a missed bar is printed, not an error."""
    options = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    found = {}
    for name in options.only or LANGUAGES:
        missing = next((tool for tool in LANGUAGES[name].TOOLS if shutil.which(tool) is None), None)
        if missing is None:
            found[name] = measure(LANGUAGES[name], options.quick, console)
        else:
            console.print(f"{name} is not measured: there is no `{missing}` in PATH")
    whole = not (options.quick or options.only)
    output = RESULTS if whole or options.update else PARTIAL
    if output == RESULTS and output.exists():
        known = json.loads(output.read_text())["sections"]
        found = {name: each for name in LANGUAGES if (each := {**known, **found}.get(name))}
    for part in table.tables({"sections": found}):
        console.print(shown(part))
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({"sections": found}, indent=1, ensure_ascii=False) + "\n")
    console.print(f"written: {output.name}")
    return 0


def measure(language: ModuleType, quick: bool, console: Console) -> dict[str, Any]:
    """Return what is found of a language, as it is written."""
    scale = language.QUICK if quick else language.FULL
    operations: tuple[Operation, ...] = language.OPERATIONS
    with console.status("built"):
        language.prepare()
    load = os.getloadavg()[0]
    samples = {CPU: Samples(), BYTES: Samples()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        jobs = [job for operation in operations for job in _jobs(operation)]
        task: TaskID = progress.add_task(language.__name__, total=len(jobs) * scale.repeats)
        for repeat in range(scale.repeats):
            # Forwards and backwards in turn, so that no place is the better one.
            for row, program, contender, condition in jobs if repeat % 2 == 0 else reversed(jobs):
                for unit, value in language.measure(program, contender, condition, scale).items():
                    samples[unit].add({f"{row} | {contender}": value})
                progress.advance(task)
    return {
        "figures": [_figure(cell, samples) for cell in _in_order(operations)],
        "verdicts": [asdict(verdict) for verdict in verdicts(operations, samples[CPU])],
        "scale": asdict(scale),
        "versions": language.versions(),
        "machine": machine(),
        "load": round(load, 1),
        "revision": environments.revision(),
    }


def _jobs(operation: Operation) -> Iterator[tuple[str, str, str, str]]:
    for condition, row in operation.rows():
        for contender in operation.contenders:
            yield row, operation.program, contender, condition


def _in_order(operations: tuple[Operation, ...]) -> Iterator[Cell]:
    for operation in operations:
        for row, _, contender, _ in _jobs(operation):
            yield Cell(row, contender)


def _figure(cell: Cell, samples: dict[str, Samples]) -> dict[str, Any]:
    median, low, high = (round(value, 4) for value in samples[CPU].spread(cell))
    allocated = samples[BYTES].values.get(cell)
    return {
        **cell._asdict(),
        "repeats": len(samples[CPU].values[cell]),
        "median": median,
        "low": low,
        "high": high,
        "bytes": round(statistics.median(allocated)) if allocated else None,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.companions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and messages: to see that it runs")
    parser.add_argument("--only", choices=list(LANGUAGES), action="append", help="one language (repeatable)")
    parser.add_argument(
        "--update", action="store_true", help="put what was measured into companions.json, also of one language"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
