"""The comparison as text: the longest story as trees, a table of all, and the lines that differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from unbroken.demo.changes import Change
from unbroken.demo.comparison import Outcome
from unbroken.demo.traces import Span, Trace

COLOURS = {
    "order-service": "bright_blue",
    "payment-service": "magenta",
    "dead-letter-handler": "yellow",
    "refund-worker": "cyan",
}
SIGNS = {"-": "red", "+": "green"}


def show(console: Console, outcomes: Iterable[Outcome], changes: Sequence[Change], where: str) -> None:
    """Print the comparison: `where` is what it ran on; of the changed files the first is shown."""
    outcomes = tuple(outcomes)
    longest = max(outcomes, key=lambda outcome: len(outcome.before) - outcome.requests)
    console.print()
    console.print(Text.assemble((longest.scenario.title, "bold"), ". ", longest.scenario.story))
    console.print(Text(where, "dim"))
    for label, traces in (("Before", longest.before), ("After", longest.after)):
        console.print()
        is_whole = len(traces) == longest.requests
        console.print(Text(f"{label}: {count(len(traces))}", "bold green" if is_whole else "bold red"))
        for trace in traces:
            console.print(tree(trace, is_whole))
    console.print()
    console.print(_table(outcomes))
    console.print()
    console.print(difference(outcomes, changes))
    console.print()
    for line in changes[0].lines:
        console.print(Text(f"{line.sign} {line.text}", SIGNS[line.sign]), soft_wrap=True)
    console.print()


def say_where(console: Console, page: Path) -> None:
    """Print where the page is."""
    console.print(Text.assemble("The waterfalls, in a browser: ", (str(page), "bold")), soft_wrap=True)


def difference(outcomes: Iterable[Outcome], changes: Sequence[Change]) -> Text:
    """Return the one line that says what differs."""
    outcomes = tuple(outcomes)
    requests, before, after = (
        sum(outcome.requests for outcome in outcomes),
        sum(len(outcome.before) for outcome in outcomes),
        sum(len(outcome.after) for outcome in outcomes),
    )
    return Text.assemble(
        f"{requests} requests: ",
        (f"{count(before)} before", "bold red"),
        ", ",
        (f"{after} after", "bold green"),
        f"; {_lines(changes)}:",
    )


def tree(trace: Trace, is_whole: bool = True) -> Tree:
    """Return one trace as a tree: green when it is whole, red when it begins with a message of another."""
    if trace.is_broken:
        mark, colour, why = "✗", "red", "  begins anew: the message's context is not current"
    else:
        mark, colour, why = ("●", "green", "") if is_whole else ("●", "bright_black", "  ends at Kafka")
    title = Text.assemble((f"{mark} ", f"bold {colour}"), (f"trace {trace.trace_id[:16]}…{why}", colour))
    root = Tree(title, guide_style=colour)
    path: list[Tree] = [root]
    for node in trace.nodes():
        del path[node.depth + 1 :]
        path.append(path[node.depth].add(_span(node.span)))
    return root


def count(traces: int) -> str:
    """Return `1 trace`, `2 traces`."""
    return f"{traces} trace{'' if traces == 1 else 's'}"


def _span(span: Span) -> Text:
    return Text.assemble(
        (f"{span.name}  ", "bold"),
        (span.service, COLOURS.get(span.service, "white")),
        f"  {span.milliseconds:.1f} ms",
        ("  failed" if span.error else "", "bright_yellow"),
        (f"  {span.span_id[:8]}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _lines(changes: Sequence[Change]) -> str:
    others = ", ".join(f"{change.count} in {change.file}" for change in changes[1:])
    return f"the {changes[0].count} changed lines of {changes[0].file} ({others})"


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("scenario", no_wrap=True)
    for name in ("requests", "traces before", "after", "whole before", "after"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.scenario.title,
            str(outcome.requests),
            Text(str(len(outcome.before)), "red"),
            Text(str(len(outcome.after)), "green"),
            Text(f"{outcome.whole_before} of {outcome.requests}", "red"),
            Text(f"{outcome.whole_after} of {outcome.requests}", "green"),
        )
    return table
