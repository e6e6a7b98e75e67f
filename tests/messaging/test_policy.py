"""The policy: what it refuses, which topics it covers, and how it is put in force."""

from typing import Any

import pytest

from unbroken import Policy, configure
from unbroken.messaging import policy


@pytest.mark.parametrize(
    "rules",
    [{"correlation": "child"}, {"duplicates": "first"}, {"only": "orders"}, {"ignore": "orders"}, {"only": (7,)}],
)
def test_a_value_that_means_nothing_is_refused(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(rules))):
        Policy(**rules)


def test_patterns_can_be_a_list() -> None:
    rules = Policy(only=["orders"])  # type: ignore[arg-type]
    assert rules.only == ("orders",)
    assert rules.covers("orders")


@pytest.mark.parametrize(
    ("rules", "destination", "covered"),
    [
        ({}, "orders", True),
        ({"only": ("orders",)}, "orders", True),
        ({"only": ("orders",)}, "orders.dlq", False),
        ({"only": ("orders*", "pay?")}, "orders.dlq", True),
        ({"ignore": ("*.dlq",)}, "orders.dlq", False),
        ({"ignore": ("*.dlq",)}, "orders", True),
        ({"only": ("orders*",), "ignore": ("*.dlq",)}, "orders.dlq", False),
        ({"only": ("Orders",)}, "orders", False),
    ],
)
def test_topics_are_chosen_by_patterns(rules: dict[str, Any], destination: str, covered: bool) -> None:
    assert Policy(**rules).covers(destination) is covered


@pytest.mark.parametrize(
    "rules",
    [
        *({name: value} for name in ("spans", "settle", "message_key") for value in ("false", 0, None)),
        *({name: value} for name in ("only", "ignore") for value in (None, 7, b"orders", {"a": 1}, ("",), ("a", None))),
        {"correlation": None},
        {"duplicates": ["last"]},
    ],
)
def test_every_field_is_checked_and_the_error_names_it(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(rules))):
        Policy(**rules)


def test_a_policy_shows_its_fields_and_no_others() -> None:
    assert set(Policy.__dataclass_fields__) == {
        *("correlation", "duplicates", "spans", "settle", "only", "ignore", "message_key")
    }


def test_configuring_gives_the_policy_before() -> None:
    chosen = Policy(spans=False)
    before = configure(chosen)
    assert policy.active_policy() is chosen
    assert configure(before) is chosen
    assert policy.active_policy() is before


def test_what_is_no_policy_is_refused_and_changes_nothing() -> None:
    before = policy.active_policy()
    with pytest.raises(TypeError, match="dict"):
        configure({"spans": False})  # type: ignore[arg-type]
    assert policy.active_policy() is before
