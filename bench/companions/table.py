"""The figures of the companions as Markdown, for the terminal and for the documentation."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bench.contenders import BARE
from bench.table import Row, Table, bars, grid

SMALL = 10.0  # µs: figures below it are shown to the nanosecond
TITLES = {"java": "Java", "node": "Node"}


def tables(report: dict[str, Any]) -> list[Table]:
    """Return the tables of a report, as it stands in companions.json: the bars, then one for each language."""
    sections = report["sections"]
    verdicts = [verdict for section in sections.values() for verdict in section["verdicts"]]
    promised = replace(bars(verdicts), title="Bars of the companions")
    return [promised, *(_figures(TITLES[name], section) for name, section in sections.items())]


def markdown(report: dict[str, Any]) -> str:
    """Return the tables, and what each language was measured with."""
    conditions = "\n".join(_conditions(report["sections"]))
    return "\n".join([*(grid(table) for table in tables(report)), conditions])


def _figures(title: str, section: dict[str, Any]) -> Table:
    """Return one row per operation and condition, one column per contender."""
    figures = section["figures"]
    contenders: Row = tuple(dict.fromkeys(figure["contender"] for figure in figures))
    cells = {(figure["row"], figure["contender"]): figure for figure in figures}
    names = dict.fromkeys(figure["row"] for figure in figures)
    digits = 2 if any(figure["median"] > SMALL for figure in figures) else 3
    rows = tuple(
        (name, *(_cell(cells.get((name, found)), cells.get((name, BARE)), digits) for found in contenders))
        for name in names
    )
    return Table(f"{title}: µs of CPU per message, and over bare", ("", *contenders), rows)


def _cell(figure: dict[str, Any] | None, bare: dict[str, Any] | None, digits: int) -> str:
    if figure is None:
        return ""
    text = f"{figure['median']:.{digits}f} ± {(figure['high'] - figure['low']) / 2:.{digits}f}"
    if bare is not None and figure is not bare:
        text += f" (+{figure['median'] - bare['median']:.{digits}f})"
    return text if figure["bytes"] is None else f"{text}, {figure['bytes']:,.0f} B"


def _conditions(sections: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, section in sections.items():
        scale, machine = section["scale"], section["machine"]
        versions = ", ".join(f"{package} {version}" for package, version in section["versions"].items())
        yield (
            f"{TITLES[name]}: {scale['repeats']} processes for each figure, {scale['operations']:,} messages between"
            f" two readings of the clock. {machine['system']} ({machine['processor']}, {machine['cores']} cores, load"
            f" {section['load']:g}). Revision {section['revision']}. {versions}.\n"
        )
