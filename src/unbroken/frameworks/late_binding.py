"""A method of a framework's object that is looked up when it is called, not when it is replaced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def late_bound(owner: object, name: str) -> Callable[..., Any]:
    """Return a call of a method that is about to be replaced on its object.

    What the object itself has is called, else what its class has at the time of the call: a test that has put its own
    method there (`mock.patch.object`) is not passed by.
    """
    own: Callable[..., Any] | None = vars(owner).get(name)
    if own is not None:
        return own
    kind: type[object] = type(owner)

    def call(*args: Any, **named: Any) -> Any:
        found: Any = inspect.getattr_static(kind, name)
        bound: Any = found.__get__(owner, kind) if hasattr(found, "__get__") else found
        return bound(*args, **named)

    return call
