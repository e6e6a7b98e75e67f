"""The trees of the terminal: colours, ids, services and times."""

import io

import pytest
from rich.console import Console

from tests.demo.shown import Shown
from unbroken.demo import terminal
from unbroken.demo.traces import Trace

RED, GREEN = "\x1b[31m", "\x1b[32m"


def drawn(trace: Trace) -> str:
    """The tree of a trace as a terminal with colours gets it."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=200)
    console.print(terminal.tree(trace))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("scenario", ["chain", "retry", "dead-letter"])
def test_only_the_traces_that_begin_anew_are_red(shown: Shown, scenario: str) -> None:
    before, after = shown.traces(scenario, "before"), shown.traces(scenario, "after")
    assert [RED in drawn(trace) for trace in (*before, *after)] == [trace.is_broken for trace in (*before, *after)]
    assert [GREEN in drawn(trace) for trace in after] == [True]


def test_each_span_has_its_service_its_time_and_its_id(shown: Shown) -> None:
    (trace,) = shown.traces("dead-letter", "after")
    text = drawn(trace)
    for span in trace.spans:
        for part in (span.name, span.service, f"{span.milliseconds:.1f} ms", span.span_id[:8]):
            assert part in text
