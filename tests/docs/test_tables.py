"""The pages show the findings that are committed."""

import importlib
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.docs.pages import ROOT


def load() -> ModuleType:
    """`docs/tables.py`: a folder of pages is no package."""
    spec = importlib.util.spec_from_file_location("tables_of_the_pages", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TABLES = load()
# Imported by name: the types of bench are checked where the peers are installed.
CONTENDERS = importlib.import_module("bench.behaviour.contenders").CONTENDERS
SCENARIOS = importlib.import_module("bench.behaviour.scenarios").SCENARIOS
QUEUES = importlib.import_module("bench.behaviour.queues.scenarios").SCENARIOS
CELLS = importlib.import_module("bench.behaviour.queues.__main__").cells()
PLAN = importlib.import_module("bench.plan")
FOUND = json.loads((ROOT / "bench" / "behaviour.json").read_text())
FOUND_QUEUES = json.loads((ROOT / "bench" / "behaviour-queues.json").read_text())
MEASURED = json.loads((ROOT / "bench" / "results.json").read_text())["sections"]
COMPANIONS = importlib.import_module("bench.companions.__main__").LANGUAGES
MEASURED_COMPANIONS = json.loads((ROOT / "bench" / "companions.json").read_text())["sections"]

FROM_INSIDE = {"batch", "clean", "thread-pool"}
"""What cannot be seen from outside: the handler of a message of a batch, the end of a handler, a thread of a pool."""
NOT_PROMISED = {("settled", "faststream")}
"""FastStream acknowledges by itself, after its middlewares."""


@pytest.mark.parametrize("shown", TABLES.SHOWN, ids=lambda shown: f"{shown.page}-{shown.mark}")
def test_the_page_shows_the_committed_findings(shown: "TABLES.Shown") -> None:  # type: ignore[name-defined]
    assert (ROOT / shown.page).read_text() == TABLES.with_findings(shown), "run: python docs/tables.py"


def test_every_page_has_the_marks_of_its_findings() -> None:
    for shown in TABLES.SHOWN:
        page = (ROOT / shown.page).read_text()
        assert page.count(f"<!-- begin {shown.mark} -->") == page.count(f"<!-- end {shown.mark} -->") == 1


def test_every_scenario_was_tried_with_every_contender_and_client() -> None:
    tried = {(cell["scenario"], cell["contender"], cell["client"]) for cell in FOUND["found"]}
    assert tried == {
        (scenario.name, contender, client)
        for scenario in SCENARIOS
        for contender, clients in CONTENDERS.items()
        for client in clients
    }
    assert FOUND["scenarios"] == {scenario.name: scenario.statement for scenario in SCENARIOS}, "run: bench.behaviour"


def test_every_scenario_of_the_queues_was_tried_with_every_contender_that_can_try_it() -> None:
    tried = {(cell["scenario"], cell["contender"], cell["client"]) for cell in FOUND_QUEUES["found"]}
    assert tried == {(cell.scenario, cell.contender, cell.client) for cell in CELLS}
    statements = {scenario.name: scenario.statement for scenario in QUEUES}
    assert FOUND_QUEUES["scenarios"] == statements, "run: bench.behaviour.queues"


@pytest.mark.parametrize("found", [FOUND, FOUND_QUEUES], ids=["Kafka", "queues"])
def test_what_unbroken_promises_was_seen_to_hold(found: Any) -> None:
    broken = {
        (cell["scenario"], cell["client"])
        for cell in found["found"]
        if cell["contender"] == "unbroken" and not cell["holds"]
    }
    assert broken <= NOT_PROMISED


def test_without_code_everything_holds_that_can_be_done_from_outside() -> None:
    broken = {
        cell["scenario"] for cell in FOUND["found"] if cell["contender"] == "unbroken zero code" and not cell["holds"]
    }
    assert broken <= FROM_INSIDE


def test_every_section_was_measured_at_a_revision_that_it_tells() -> None:
    assert list(MEASURED) == list(PLAN.SECTIONS)
    assert [name for name, section in MEASURED.items() if not section["revision"]] == []


def test_a_section_tells_the_versions_of_every_environment_that_it_ran_in() -> None:
    assert {name: sorted(section["versions"]) for name, section in MEASURED.items()} == {
        name: PLAN.environments(name) for name in PLAN.SECTIONS
    }


def test_every_operation_of_a_companion_was_measured_with_every_contender() -> None:
    measured = {
        (name, figure["row"], figure["contender"])
        for name, section in MEASURED_COMPANIONS.items()
        for figure in section["figures"]
    }
    assert measured == {
        (name, row, contender)
        for name, language in COMPANIONS.items()
        for operation in language.OPERATIONS
        for _, row in operation.rows()
        for contender in operation.contenders
    }, "run: bench.companions"
