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

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.messaging.loop import LoopScope
from unbroken.messaging.scope import SCOPE_KEY
from unbroken.propagation.context import attach, current

_lock = threading.Lock()
_users = 0


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
            install(_PATCHES)


def release_work() -> None:
    """Undo one `confine_work`; the last one puts back what was replaced."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            uninstall(_PATCHES)


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


_PATCHES = (
    Patch(ThreadPoolExecutor, "submit", _confining),
    Patch(ThreadPool, "apply_async", _confining),
    Patch(ThreadPool, "_map_async", _confining),  # of `map` and `starmap`
    Patch(ThreadPool, "imap", _confining),
    Patch(ThreadPool, "imap_unordered", _confining),
)
"""The methods whose first argument is what a thread of the pool will call."""
