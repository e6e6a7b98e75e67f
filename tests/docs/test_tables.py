"""The pages show the findings that are committed."""

import importlib
import importlib.util
import json
import sys
from types import ModuleType

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
FOUND = json.loads((ROOT / "bench" / "behaviour.json").read_text())


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


def test_what_unbroken_promises_was_seen_to_hold() -> None:
    assert [cell for cell in FOUND["found"] if cell["contender"] == "unbroken" and not cell["holds"]] == []
