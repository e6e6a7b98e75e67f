"""The page shows the trees that the chain is held against."""

from pathlib import Path

import pytest

from interop.chain import SERVICES
from interop.expected import PAID, REFUNDED, REFUNDED_IN_PIECES

PAGE = (Path(__file__).parents[2] / "docs" / "interop.md").read_text()


@pytest.mark.parametrize("tree", [PAID, REFUNDED, "\n".join(REFUNDED_IN_PIECES)], ids=["paid", "refunded", "broken"])
def test_a_tree_on_the_page_is_the_expected_one(tree: str) -> None:
    assert f"\n```\n{tree}\n```\n" in PAGE


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_service_of_the_chain_is_on_the_page(service: object) -> None:
    assert f"\n| {getattr(service, 'name', None)} |" in PAGE
