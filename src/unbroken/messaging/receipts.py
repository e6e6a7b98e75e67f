"""The process spans of messages that were not settled in their blocks, until their settlement asks for them.

A receipt is what a message is acknowledged or deleted by. The newest are kept, for the whole process; a receipt that is
never asked for (the message was left to be delivered again) makes room in time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from opentelemetry.trace import SpanContext

MAX_REMEMBERED = 4096
"""How many are kept."""

_remembered: dict[Hashable, tuple[SpanContext, str]] = {}


def remember(receipt: Hashable, span_context: SpanContext, destination: str) -> None:
    """Keep the process span of a message, and where it came from.

    None is the receipt of a message that needs no settlement.
    """
    if receipt is None:
        return
    _remembered[receipt] = span_context, destination
    while len(_remembered) > MAX_REMEMBERED:
        try:
            _remembered.pop(next(iter(_remembered)), None)
        except (StopIteration, RuntimeError):  # another thread took it, or added one meanwhile
            continue


def recall(receipt: Hashable, *, keep: bool = False) -> SpanContext | None:
    """Return the process span of a message, once unless it is to be kept."""
    found = _remembered.get(receipt) if keep else _remembered.pop(receipt, None)
    return None if found is None else found[0]


def destination_of(receipt: Hashable) -> str:
    """Return where a message came from, nothing where it is not known."""
    found = _remembered.get(receipt)
    return "" if found is None else found[1]


def remembered(belongs: Callable[[Any], bool]) -> list[Hashable]:
    """Return the receipts for which `belongs` holds, oldest first: for the settlement of many messages at once."""
    return [receipt for receipt in list(_remembered) if belongs(receipt)]
