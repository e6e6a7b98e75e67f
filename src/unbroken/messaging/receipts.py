"""The process spans of messages that were not settled in their blocks, until their settlement asks for them.

A receipt is what a message is acknowledged or deleted by. The newest are kept, for the whole process; a receipt that is
never asked for (the message was left to be delivered again) makes room in time.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable
from typing import NamedTuple

from opentelemetry.trace import SpanContext

from unbroken.messaging.policy import active_policy

MAX_REMEMBERED = 4096
"""How many are kept."""


class ChannelReceipt(NamedTuple):
    """The receipt of a message that can be settled together with those before it.

    Attributes:
        channel: where it came from, by a weak reference.
        tag: its number there.
    """

    channel: Hashable
    tag: int


_remembered: dict[Hashable, tuple[SpanContext, str]] = {}
"""The span and the destination of each receipt, the oldest first."""
_tags: dict[Hashable, list[int]] = {}
"""The tags of each channel, in order: a settlement of many looks at its own channel only."""
_lock = threading.RLock()  # a scope that the garbage collector ends remembers too, in the middle of anything


def _forked() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that may have held it is not in this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def remember(receipt: Hashable, span_context: SpanContext, destination: str) -> None:
    """Keep the process span of a message, and where it came from, if the policy in force has spans of settlements.

    None is the receipt of a message that needs no settlement.
    """
    if receipt is None or not active_policy().settle:
        return
    with _lock:
        if isinstance(receipt, ChannelReceipt) and receipt not in _remembered:
            insort(_tags.setdefault(receipt.channel, []), receipt.tag)
        _remembered[receipt] = span_context, destination
        while len(_remembered) > MAX_REMEMBERED:
            _take(next(iter(_remembered)))


def recall(receipt: Hashable, *, keep: bool = False) -> SpanContext | None:
    """Return the process span of a message, once unless it is to be kept."""
    with _lock:
        found = _remembered.get(receipt) if keep else _take(receipt)
    return None if found is None else found[0]


def destination_of(receipt: Hashable) -> str:
    """Return where a message came from, nothing where it is not known."""
    found = _remembered.get(receipt)
    return "" if found is None else found[1]


def remembered_up_to(channel: Hashable, tag: int) -> list[ChannelReceipt]:
    """Return the receipts of a channel up to a tag, in order; of tag 0 all."""
    with _lock:
        tags = _tags.get(channel, [])
        return [ChannelReceipt(channel, one) for one in tags[: bisect_right(tags, tag) if tag else None]]


def _take(receipt: Hashable) -> tuple[SpanContext, str] | None:
    found = _remembered.pop(receipt, None)
    if found is not None and isinstance(receipt, ChannelReceipt):
        tags = _tags[receipt.channel]
        del tags[bisect_left(tags, receipt.tag)]
        if not tags:
            del _tags[receipt.channel]
    return found
