"""The context in other threads and tasks: `bind` a function, or an executor, to the context that is current now."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar, cast

from unbroken import mistakes
from unbroken.errors import WrongArgument
from unbroken.propagation.context import attached, current

P = ParamSpec("P")
T = TypeVar("T")


def bind(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function` so that it runs in the context that is current now, in whatever thread or task it is called.

    A coroutine function gives a coroutine function, and so does an object whose `__call__` is one. The bound function
    can be called any number of times, at once too.

        pool.submit(bind(handle), message)

    Raises:
        WrongArgument: what cannot be called (None, a coroutine), or a generator function, whose body runs only after
            the call.
    """
    _check_function("bind", function)
    context = current()
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):

        @functools.wraps(function)
        async def bound_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            with attached(context):
                return await cast("Any", function)(*args, **kwargs)

        return cast("Callable[P, T]", bound_coroutine)

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> T:
        with attached(context):
            return function(*args, **kwargs)

    return bound


class BoundExecutor(Executor):
    """An executor whose work runs in the context of the caller of `submit` or `map`, on the threads of `executor`.

        pool = BoundExecutor(ThreadPoolExecutor())
        pool.submit(handle, message)

    Args:
        executor: made already; it is shut down by `shutdown`, and by the end of a `with` block.

    Raises:
        WrongArgument: not an executor; or a process pool: a context does not cross processes, carry it with `inject`.
    """

    def __init__(self, executor: Executor) -> None:
        if _is_process_pool(executor):
            instead = "a context does not cross processes; carry it with inject() and extract()"
            raise WrongArgument("BoundExecutor()", "an executor of threads", executor, instead)
        if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
            instead = "write BoundExecutor(ThreadPoolExecutor())"
            raise WrongArgument("BoundExecutor()", "an executor", executor, instead)
        self._executor = executor

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit work that runs in the caller's context.

        Raises:
            WrongArgument: no function, or a function whose body an executor does not run (a coroutine function, a
                generator function).
        """
        if inspect.iscoroutinefunction(fn):
            instead = "an executor would not await it; write asyncio.create_task(bind(function)(...))"
            raise WrongArgument("submit()", "a function", fn, instead)
        _check_function("submit", fn)
        return self._executor.submit(bind(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the executor down."""
        self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)


def _check_function(call: str, function: object) -> None:
    instead = mistakes.about_function(function, call)
    if isinstance(function, Executor):
        instead = "write BoundExecutor(executor)"
    if instead is not None:
        raise WrongArgument(f"{call}()", "a function", function, instead)
    if mistakes.is_generator(function):
        instead = f"its body runs after the call; {call} the function that goes through it, or write attached(context)"
        raise WrongArgument(f"{call}()", "a function", function, f"{instead} in it")


def _is_process_pool(executor: Executor) -> bool:
    # Not imported here: it brings multiprocessing and sockets, a third of the time that `import unbroken` took.
    loaded = sys.modules.get("concurrent.futures.process")
    return loaded is not None and isinstance(executor, loaded.ProcessPoolExecutor)
