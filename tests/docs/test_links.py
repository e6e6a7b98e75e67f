"""Links between the pages and files of the project lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name, prose

DOCUMENTS = [*PAGES, *(ROOT / each for each in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"))]

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


def targets(page: Path) -> list[str]:
    return [match["target"] for match in _LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    slugs = (re.sub(r"[^\w\- ]", "", match["text"].lower()) for match in _HEADING.finditer(page.read_text()))
    return {slug.replace(" ", "-") for slug in slugs}


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_links_to_files_lead_to_files(page: Path) -> None:
    local = [target.partition("#")[0] for target in targets(page) if "://" not in target and target[0] != "#"]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_links_to_headings_lead_to_headings(page: Path) -> None:
    wrong = []
    for target in targets(page):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        if anchor and "://" not in target and other.suffix == ".md" and anchor not in anchors(other):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parts[-2] != ROOT.name], ids=name)
def test_every_page_is_in_a_table_of_contents(page: Path) -> None:
    tables = re.findall(r"^```\{toctree\}\n(.*?)^```$", (ROOT / "docs/index.md").read_text(), re.MULTILINE | re.DOTALL)
    listed = {line for table in tables for line in table.splitlines()}
    assert page.stem == "index" or page.relative_to(ROOT / "docs").with_suffix("").as_posix() in listed
