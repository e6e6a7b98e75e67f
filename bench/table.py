"""The figures as tables: for the terminal, and as the Markdown that the documentation shows.

`python -m bench.table` prints the Markdown of `bench/results.json`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contenders import BARE
from bench.hostile import OPERATION as HOSTILE

RESULTS = Path(__file__).parent / "results.json"

NOTES = """
Figures are medians ± half the distance of the quartiles.

- Poll, unsampled: the records carry flag 00 and the sampler is the default one. contrib opens a new trace for each
  record, so it records them all the same; with `ALWAYS_OFF` nobody records.
- `consume(500)`: contrib makes one span for the batch, ddtrace none; by hand and with unbroken each message has one.
- `unbroken` in a producing loop is `inject()` without a span; `unbroken drop-in` makes the span as well.
- ddtrace's `send` with aiokafka costs more per message the more messages one task has sent; here one task sends all.
"""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, the names of the columns, the rows."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def tables(report: dict[str, Any]) -> list[Table]:
    """Return the tables of a report (as it stands in results.json): the bars, then one for each operation."""
    sections = report["sections"].values()
    figures: dict[str, list[dict[str, Any]]] = {}
    for section in sections:
        for figure in section["figures"]:
            figures.setdefault(figure["row"].partition(", ")[0], []).append(figure)
    verdicts = [verdict for section in sections for verdict in section["verdicts"]]
    promised = [bars(verdicts)] if verdicts else []
    return [*promised, *(_matrix(operation, found) for operation, found in figures.items())]


def markdown(report: dict[str, Any]) -> str:
    """Return the Markdown of a report: its tables and what they were measured with."""
    conditions = "\n".join(_conditions(report["sections"]))
    return "\n".join([*(grid(table) for table in tables(report)), conditions, NOTES.lstrip()])


def bars(verdicts: list[dict[str, Any]]) -> Table:
    """Return what was promised and whether it is held."""
    rows = tuple(
        (
            verdict["what"] + (f" ({verdict['note']})" if verdict["note"] else ""),
            f"≤ {verdict['at_most']:g}",
            f"{verdict['measured']:.2f}",
            f"{verdict['low']:.2f} to {verdict['high']:.2f}",
            "met" if verdict["met"] else "missed",
        )
        for verdict in verdicts
    )
    return Table("Bars", ("what", "bar", "measured", "quartiles over the repeats", ""), rows)


def _matrix(operation: str, figures: Sequence[dict[str, Any]]) -> Table:
    """Return one row per case and one column per contender, in the order in which they were measured."""
    contenders = tuple(dict.fromkeys(figure["contender"] for figure in figures))
    cells = {(figure["row"], figure["contender"]): figure for figure in figures}
    rows = []
    for name in dict.fromkeys(figure["row"] for figure in figures):
        bare = cells.get((name, BARE))
        rows.append((name.partition(", ")[2], *(_cell(cells.get((name, found)), bare) for found in contenders)))
    return Table(operation + _unit(operation, contenders), ("", *contenders), tuple(rows))


def _unit(operation: str, contenders: Row) -> str:
    if BARE in contenders:
        return ": µs of CPU per message, and over the bare loop"
    if operation == HOSTILE:
        return " headers: `process` of a message with a mebibyte of them, metrics on, ms"
    return "" if operation == "memory" or "µs" in contenders else ", µs"


def _cell(figure: dict[str, Any] | None, bare: dict[str, Any] | None) -> str:
    if figure is None:
        return ""
    text = f"{figure['median']:.2f} ± {(figure['high'] - figure['low']) / 2:.2f}"
    if bare is not None and figure is not bare:
        text += f" (+{figure['median'] - bare['median']:.1f})"
    return text


def grid(table: Table) -> str:
    """Return a table as Markdown, under its heading."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return f"### {table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _conditions(sections: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a paragraph for each run that figures are from: its sections, its revision, its versions."""
    runs: dict[str, list[str]] = {}
    for name, section in sections.items():
        runs.setdefault(f"{section['revision']} {section['machine']}", []).append(name)
    for names in runs.values():
        found = [sections[name] for name in names]
        machine, revision = found[0]["machine"], found[0]["revision"]
        versions = {name: packages for section in found for name, packages in section["versions"].items()}
        yield (
            f"{', '.join(names)}: {'; '.join(_scales(names, found))}. {machine['python']} on {machine['system']}"
            f" ({machine['processor']}, {machine['cores']} cores). Revision {revision}."
            f" {', '.join(_versions(versions))}.\n"
        )


def _scales(names: list[str], sections: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what the spread is over, for the single calls and for each length of a loop."""
    if "micro" in names:
        scale = sections[names.index("micro")]["scale"]
        yield f"{scale['rounds'] * scale['repeats']} repeats of a call"
    scales = {
        (section["scale"]["loop_repeats"], section["scale"]["messages"]): None
        for name, section in zip(names, sections, strict=True)
        if name not in ("micro", "memory", HOSTILE)
    }
    for repeats, messages in scales:
        yield f"{repeats} repeats of a loop of {messages:,} messages"


def _versions(environments: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield the packages that are compared, each once."""
    merged = {package: version for packages in environments.values() for package, version in packages.items()}
    for package, version in sorted(merged.items()):
        if package in NAMED or package.startswith("opentelemetry-instrumentation-"):
            yield f"{package} {version}"


NAMED = {
    "aio-pika",
    "aiobotocore",
    "aiokafka",
    "boto3",
    "botocore",
    "confluent-kafka",
    "ddtrace",
    "faststream",
    "kafka-python",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "pika",
    "unbroken",
}


def main() -> int:
    """Print the Markdown of the last run."""
    print(markdown(json.loads(RESULTS.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
