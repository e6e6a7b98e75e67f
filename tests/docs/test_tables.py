"""The pages show the findings that are committed."""

import importlib.util
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


@pytest.mark.parametrize("shown", TABLES.SHOWN, ids=lambda shown: f"{shown.page}-{shown.mark}")
def test_the_page_shows_the_committed_findings(shown: "TABLES.Shown") -> None:  # type: ignore[name-defined]
    if not (ROOT / shown.source).exists():
        pytest.skip(f"{shown.source} is not there yet: make bench")
    assert (ROOT / shown.page).read_text() == TABLES.with_findings(shown), "run: python docs/tables.py"


def test_every_page_has_the_marks_of_its_findings() -> None:
    for shown in TABLES.SHOWN:
        page = (ROOT / shown.page).read_text()
        assert page.count(f"<!-- begin {shown.mark} -->") == page.count(f"<!-- end {shown.mark} -->") == 1
