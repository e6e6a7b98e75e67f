"""The pytest plugin: what its fixtures fail and what they give, seen in a pytest run of its own."""

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.sdk")

HEAD = """
import pytest
from opentelemetry import trace
from opentelemetry.context import attach, get_current, set_value
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())
tracer = trace.get_tracer("shop")
"""
GUARDED = HEAD + 'pytestmark = pytest.mark.usefixtures("no_leaked_context")\n'


def outcome(folder: Path, text: str) -> str:
    """Run a file of tests and return what pytest printed."""
    (folder / "test_shop.py").write_text(text)
    installed = entry_points(group="pytest11", name="unbroken")
    plugin = [] if installed else ["-p", "unbroken.testing"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, "-p", "no:cacheprovider", "test_shop.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


def counted(printed: str) -> dict[str, int]:
    """Return what the last line of pytest counts, by kind."""
    return {
        kind: int(number) for number, kind in re.findall(r"(\d+) (\w+)", printed.splitlines()[-1].partition(" in ")[0])
    }


LEFT_ATTACHED = """
def test_that_leaves_a_context_attached():
    attach(set_value("tenant", "acme"))
"""


def test_a_context_that_is_left_attached_fails_its_test(tmp_path: Path) -> None:
    assert "the test left a context attached: {'tenant': 'acme'}" in outcome(tmp_path, GUARDED + LEFT_ATTACHED)


def test_a_leak_fails_one_test_only(tmp_path: Path) -> None:
    after_it = """
def test_after_it():
    assert get_current() == {}
"""
    # pytest counts what fails at the end of a test as an error beside the test.
    assert counted(outcome(tmp_path, GUARDED + LEFT_ATTACHED + after_it)) == {"passed": 2, "error": 1}


def test_a_span_that_is_left_open_fails_its_test(tmp_path: Path) -> None:
    left_open = """
def test_that_leaves_a_span_open():
    tracer.start_span("charge card")
"""
    assert "the test left spans open: charge card" in outcome(tmp_path, GUARDED + left_open)


def test_a_span_that_was_open_before_the_test_is_no_leak(tmp_path: Path) -> None:
    inside = """
@pytest.fixture(scope="module", autouse=True)
def around():
    with tracer.start_as_current_span("all tests"):
        yield

def test_inside():
    pass
"""
    assert counted(outcome(tmp_path, GUARDED + inside)) == {"passed": 1}


def test_the_spans_are_those_of_the_test(tmp_path: Path) -> None:
    two = """
def test_before():
    tracer.start_span("before").end()

def test_that_looks(spans):
    tracer.start_span("in it").end()
    assert [span.name for span in spans.finished] == ["in it"]

def test_that_looks_again(spans):
    assert spans.finished == []
"""
    assert counted(outcome(tmp_path, GUARDED + two)) == {"passed": 3}


def test_each_test_has_a_broker_of_its_own(tmp_path: Path) -> None:
    two = """
def test_first(memory_broker):
    memory_broker.produce("orders", b"1")

def test_second(memory_broker):
    assert memory_broker.records("orders") == ()
"""
    assert counted(outcome(tmp_path, HEAD + two)) == {"passed": 2}
