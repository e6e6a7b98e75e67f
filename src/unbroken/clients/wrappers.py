"""Wrappers of the methods of a client: each method is wrapped once, however it is reached.

A method can be wrapped on its class by zero code, on one object by `instrument`, and in a drop-in class whose methods
are made by the same functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

Wrap = Callable[[Any], Any]
"""Takes a function and returns what stands in its place."""

_wrappers: WeakSet[Any] = WeakSet()
"""The functions that stand in place of others. A mark on the function would go to other decorators.

What a function replaced is known by itself alone: it may be a method of the object that keeps the function.
"""


def wraps_once(wrap: Wrap) -> Wrap:
    """Return `wrap` such that a wrapper is never wrapped: what it wrapped is wrapped again in its place."""

    @functools.wraps(wrap)
    def wrap_original(original: Any) -> Any:
        if is_wrapper(original):
            original = original.__wrapped__
        wrapper = functools.wraps(original)(wrap(original))
        _wrappers.add(wrapper)
        return wrapper

    return wrap_original


class TracedCallback:
    """A callback of the application with something around it; equal to it, so that whoever looks for it finds it."""

    def __init__(self, callback: Callable[..., Any], call: Callable[..., Any]) -> None:
        """Take the callback, and what is called in its place."""
        self.__wrapped__ = callback
        self.__doc__ = callback.__doc__
        self._call = call

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call the callback, with something around it."""
        return self._call(*given, **named)

    def __eq__(self, other: object) -> bool:
        found: object = other.__wrapped__ if isinstance(other, TracedCallback) else other
        return bool(self.__wrapped__ == found)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":  # of a copy that is not made yet
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)


def is_wrapper(function: Any) -> bool:
    """Return whether a function was made by a wrap of `wraps_once`."""
    try:
        return function in _wrappers
    except TypeError:  # a callable that has no hash, or no weak references
        return False
