"""A method of a framework's object that is looked up when it is called, not when it is replaced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def late_bound(owner: Any, name: str) -> Callable[..., Any]:
    """Return a call of a method that is about to be replaced on its object.

    What the object itself has is called, else what its class has at the time of the call: a test that has put its own
    method there (`mock.patch.object`) is not passed by.
    """
    if name in vars(owner):
        own: Callable[..., Any] = vars(owner)[name]
        return own

    def call(*args: Any, **named: Any) -> Any:
        found: Any = inspect.getattr_static(type(owner), name)
        bind = getattr(type(found), "__get__", None)
        return (found if bind is None else bind(found, owner, type(owner)))(*args, **named)

    return call
