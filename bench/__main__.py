"""`python -m bench`: measure, print, write `bench/results.json`.

`python -m bench --only rabbitmq --only sqs --update` measures two sections and replaces these in the file.
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import broker, environments, memory, plan, processes, table
from bench.report import report
from bench.results import Samples
from bench.terminal import shown
from bench.worker import Job
from services import elasticmq, rabbitmq

RESULTS = Path(__file__).parent / "results.json"
PARTIAL = environments.ENVIRONMENTS / "partial.json"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run.

    Attributes:
        rounds: generations of processes in which the single calls are measured, `repeats` times each.
        loop_repeats: how often each loop is run, in a process of its own each time.
        slow_repeats: the same for the sections whose loops have fewer messages.
        memory_repeats: the same for the long run.
        messages: how many messages a loop has.
        soaked: how many the long run has.
    """

    rounds: int
    repeats: int
    loop_repeats: int
    slow_repeats: int
    memory_repeats: int
    messages: int
    soaked: int

    def turns(self, section: str) -> tuple[int, int]:
        """Return how many rounds a section has, and how many repeats each of them."""
        if section == "micro":
            return self.rounds, self.repeats
        return 1, self.memory_repeats if section == "memory" else self.loop_repeats

    def of(self, section: str) -> "Scale":
        """Return how much is run of a section."""
        divisor = plan.SECTIONS[section].divisor
        return (
            self if divisor == 1 else replace(self, loop_repeats=self.slow_repeats, messages=self.messages // divisor)
        )


FULL = Scale(
    rounds=3, repeats=7, loop_repeats=11, slow_repeats=7, memory_repeats=3, messages=15_000, soaked=memory.FULL
)
QUICK = Scale(rounds=1, repeats=5, loop_repeats=3, slow_repeats=3, memory_repeats=1, messages=5_000, soaked=200_000)

SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "embedded": broker.running,
    "rabbitmq": rabbitmq.running,
    "elasticmq": elasticmq.running,
}


def main(argv: list[str] | None = None) -> int:
    """Run what `argv` asks for and return 0: a missed bar is printed, not an error."""
    options = _parser().parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with console.status("environments"):
        environments.install_the_tree()
    found = measure(options.only or list(plan.SECTIONS), QUICK if options.quick else FULL, console)
    for part in table.tables(found):
        console.print(shown(part))
    whole = not (options.quick or options.only)
    output = options.output or (RESULTS if whole or options.update else PARTIAL)
    if options.update and output.exists():
        known = json.loads(output.read_text())["sections"]
        found = {
            "sections": {name: each for name in plan.SECTIONS if (each := {**known, **found["sections"]}.get(name))}
        }
    output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    console.print(f"written: {output.name}")
    return 0


def measure(sections: list[str], scale: Scale, console: Console) -> dict[str, Any]:
    """Return the reports of `sections`, as they are written."""
    reports = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        for section in sections:
            samples, scaled = Samples(), scale.of(section)
            with SERVERS[plan.SECTIONS[section].server]() as address:
                groups = plan.groups(section, address, scaled.messages, scaled.soaked)
                rounds, repeats = scaled.turns(section)
                task = progress.add_task(section, total=rounds * repeats * sum(map(len, groups)))
                for _ in range(rounds):
                    with processes.Workers() as workers:
                        for group in groups:
                            processes.take_turns(group, repeats, workers, samples, partial(progress.advance, task))
                if section == "micro":
                    compare_spans(address, console)
            reports[section] = report(samples, asdict(scaled), plan.environments(section)).as_json()
    return {"sections": reports}


def compare_spans(bootstrap: str, console: Console) -> None:
    """Say so when the span of `process` and the bare one that it is measured against are not alike."""
    with processes.Workers() as workers:
        ours, bare = (
            workers.run(Job(name, "bench.micro", "attributes", {"environment": name, "bootstrap": bootstrap}))
            for name in ("unbroken", "opentelemetry")
        )
    if ours != bare:
        console.print(f"[red]the spans that are compared differ[/]\n{ours}\n{bare}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and messages: to see that it runs")
    parser.add_argument(
        "--only", choices=list(plan.SECTIONS), action="append", help="one section of the measurements (repeatable)"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="put these sections into results.json, where the others stay as they are, each with its revision",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="where the figures go (default: results.json for a whole run, .bench/partial.json for any other)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
