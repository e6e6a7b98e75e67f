"""Which messages `messaging.client.consumed.messages` has counted: each once, by whoever gave it to the application.

A message is known by its receipt, one without receipt by the object. The object is kept, so that no other one can be
taken for it, until whoever noted it forgets it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from unbroken.messaging.message import MessageType

MAX_KNOWN = 65_536
"""How many are kept; the oldest make room."""

_counted: dict[Hashable, object] = {}


def identify(message_type: MessageType, message: object) -> Hashable:
    """Return by what a message is known: its receipt, else the identity of the object."""
    receipt = message_type.receipt(message) if message_type.receipt is not None else None
    return id(message) if receipt is None else receipt


def note(message_type: MessageType, message: object, *, is_kept: bool = False) -> Hashable:
    """Note that a message was counted and return the key that `forget` takes.

    Args:
        message_type: how the message is read.
        message: of this type.
        is_kept: whether the caller keeps the object until it forgets the key.
    """
    key = identify(message_type, message)
    _counted[key] = message if key == id(message) and not is_kept else None
    while len(_counted) > MAX_KNOWN:
        try:
            _counted.pop(next(iter(_counted)), None)
        except (StopIteration, RuntimeError):  # another thread took it, or added one meanwhile
            continue
    return key


def forget(keys: Iterable[Hashable]) -> None:
    """Forget messages; those that are not known are passed over."""
    for key in keys:
        _counted.pop(key, None)


def is_counted(message_type: MessageType, message: object) -> bool:
    """Return whether a message was counted before."""
    return bool(_counted) and identify(message_type, message) in _counted
