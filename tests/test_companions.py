"""How the suites of all languages are run: what is missing is named, and what failed is not taken for nothing."""

import json
from pathlib import Path

import pytest

from services import Unavailable
from tests import companions, matrix
from tests.conformance import results

FAILED_IN_NODE = """<?xml version="1.0" encoding="utf-8"?>
<testsuites>
  <testsuite name="outer" tests="1" failures="1">
    <testsuite name="inner" tests="2" failures="1">
      <testcase name="holds"/>
      <testcase name="breaks" failure="no"><failure type="testCodeFailure">no</failure></testcase>
    </testsuite>
  </testsuite>
  <testcase name="left out"><skipped type="skipped"/></testcase>
</testsuites>
"""
ERROR_IN_JAVA = """<testsuite name="Test" tests="2" errors="1">
  <testcase name="holds"/>
  <testcase name="raises"><error type="java.lang.Error"/></testcase>
</testsuite>
"""


ALL = [each for each in companions.companions() if not each.environment]  # one with a JDK of its own finds it


@pytest.mark.parametrize("companion", ALL, ids=lambda each: each.name)
def test_without_its_tools_a_companion_says_what_to_install(
    companion: companions.Companion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match=f"no `{companion.tools[0]}` in PATH: "):
        companion.require()


def test_an_old_node_is_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, said in (("node", "v18.20.4"), ("npm", "9.2.0")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {said}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (node,) = [each for each in companions.companions() if each.name == "node"]
    with pytest.raises(Unavailable, match="18 is too old"):
        node.require()


def test_a_failure_in_any_language_is_counted_once(tmp_path: Path) -> None:
    reports = []
    for name, text in (("node", FAILED_IN_NODE), ("java", ERROR_IN_JAVA)):
        reports.append(tmp_path / f"{name}.xml")
        reports[-1].write_text(text)
    found = matrix.outcome("both", reports, 1.0, 1)
    assert (found.passed, found.failed, found.skipped) == (2, 2, 1)


def test_a_suite_that_has_run_nothing_has_failed() -> None:
    found = matrix.outcome("none", [], 1.0, 0)
    assert (found.failed, found.status) == (1, 1)


def test_a_vector_that_came_to_something_else_than_the_documentation_shows_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = {file: dict.fromkeys(results.vectors(file), "ok") for file in results.FILES}
    first, second = results.vectors("extract")[:2]
    (tmp_path / "java.json").write_text(json.dumps({**shown, "extract": {**shown["extract"], first: "differs: no"}}))
    monkeypatch.setattr(results, "FOUND", {"java": tmp_path / "java.json"})
    assert [line.split(":")[0] for line in results.differences()] == [f"java extract {first}"]
    (tmp_path / "java.json").write_text(json.dumps({**shown, "extract": {second: "ok"}}))
    assert len(results.differences()) == len(shown["extract"]) - 1
