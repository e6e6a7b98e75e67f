"""Zero code: what a work item of a pool has polled is not current in the next one.

A thread of a pool goes from one piece of work to the next in one context. A record that the first has polled, and that
no later call of the consumer in this thread ends, would be current in work that has nothing to do with it.
"""

from __future__ import annotations

import concurrent.futures
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

from unbroken.messaging.loop import LoopScope
from unbroken.messaging.scope import SCOPE_KEY
from unbroken.propagation.context import attach, current

_lock = threading.Lock()
_users = 0
_originals: list[tuple[type, str, Any, Any]] = []
"""What was replaced: owner, name, what stood in its own namespace (None: nothing), and what stands there now."""


class ConfinedWork:
    """A piece of work after which the context of its thread has no record that the work has polled."""

    __slots__ = ("_work",)

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Do the work."""
        before = current()
        try:
            return self._work(*args, **named)
        finally:
            after = current()
            if after is not before and isinstance(after.get(SCOPE_KEY), LoopScope):
                attach(before)


def confine_work() -> None:
    """Confine what is submitted to pools of threads of the standard library; the pools of other processes are not."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for owner, name in _SUBMITTING:
                by = _confining(getattr(owner, name))
                _originals.append((owner, name, owner.__dict__.get(name), by))
                setattr(owner, name, by)


def release_work() -> None:
    """Undo one `confine_work`; the last one puts back what was replaced."""
    global _users
    with _lock:
        _users -= 1
        while not _users and _originals:
            owner, name, own, by = _originals.pop()
            if owner.__dict__.get(name) is not by:  # somebody has wrapped it once more
                continue
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)


_SUBMITTING: tuple[tuple[type, str], ...] = (
    (ThreadPoolExecutor, "submit"),
    (ThreadPool, "apply_async"),
    (ThreadPool, "_map_async"),  # of `map` and `starmap`
    (ThreadPool, "imap"),
    (ThreadPool, "imap_unordered"),
)
"""The methods whose first argument is what a thread of the pool will call."""

# Its work is pickled and leaves the interpreter; newer than Python 3.13.
_INTERPRETERS: tuple[type, ...] = tuple(
    getattr(concurrent.futures, name) for name in ("InterpreterPoolExecutor",) if hasattr(concurrent.futures, name)
)


def _confining(submit: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(submit)
    def confining(pool: Any, *args: Any, **named: Any) -> Any:
        if isinstance(pool, _INTERPRETERS):
            return submit(pool, *args, **named)
        if args:
            return submit(pool, ConfinedWork(args[0]), *args[1:], **named)
        if "func" in named:  # a ThreadPool takes it by name too
            named["func"] = ConfinedWork(named["func"])
        return submit(pool, **named)

    return confining
