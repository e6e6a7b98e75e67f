"""`bind` and `BoundExecutor`: today's context in any thread, any number of times."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Barrier

import pytest
from opentelemetry.context import Context, get_current

from unbroken import BoundExecutor, attached, bind


@pytest.fixture
def inside() -> Context:
    return Context({"where": "inside"})


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def where(*_: object) -> object:
    return get_current().get("where")


async def where_soon(*_: object) -> object:
    await asyncio.sleep(0)
    return where()


class Handler:
    async def __call__(self) -> object:
        return await where_soon()

    async def method(self) -> object:
        return await where_soon()


def test_a_bound_function_runs_in_the_context_of_its_binding(inside: Context, threads: ThreadPoolExecutor) -> None:
    with attached(inside):
        bound = bind(where)
    assert threads.submit(bound).result() == "inside"
    assert threads.submit(where).result() is None


def test_a_bound_function_keeps_arguments_result_and_name(inside: Context) -> None:
    @bind
    def add(first: int, *, second: int) -> int:
        """Return the sum."""
        return first + second

    assert (add(1, second=2), add.__name__, add.__doc__) == (3, "add", "Return the sum.")


def test_an_error_of_a_bound_function_passes_untouched(inside: Context) -> None:
    error = ValueError("no")

    def failing() -> None:
        raise error

    with attached(inside):
        bound = bind(failing)
    with pytest.raises(ValueError, match="no") as raised:
        bound()
    assert raised.value is error
    assert where() is None


def test_a_bound_function_can_run_in_two_threads_at_once(inside: Context, threads: ThreadPoolExecutor) -> None:
    both = Barrier(2, timeout=10)

    def meeting() -> object:
        both.wait()
        return where()

    with attached(inside):
        bound = bind(meeting)
    futures = [threads.submit(bound) for _ in range(2)]
    assert [future.result() for future in futures] == ["inside", "inside"]


def test_a_bound_partial_is_bound(inside: Context) -> None:
    with attached(inside):
        bound = bind(functools.partial(where, 1))
    assert bound() == "inside"


@pytest.mark.parametrize(
    "function",
    [where_soon, functools.partial(where_soon, 1), Handler(), Handler().method],
    ids=["function", "partial", "object", "method"],
)
async def test_whatever_gives_a_coroutine_is_bound(function: Callable[[], Awaitable[object]], inside: Context) -> None:
    with attached(inside):
        bound = bind(function)
    assert await bound() == "inside"
    assert where() is None


def test_a_bound_coroutine_function_is_one(inside: Context) -> None:
    assert asyncio.iscoroutinefunction(bind(where_soon))


async def test_a_bound_function_runs_in_the_thread_of_asyncio(inside: Context) -> None:
    with attached(inside):
        bound = bind(where)
    assert await asyncio.to_thread(bound) == "inside"
    assert await asyncio.get_running_loop().run_in_executor(None, bound) == "inside"


async def test_a_bound_executor_serves_run_in_executor(inside: Context, threads: ThreadPoolExecutor) -> None:
    loop = asyncio.get_running_loop()
    with attached(inside):
        future = loop.run_in_executor(BoundExecutor(threads), where)
    assert await future == "inside"


def test_a_bound_executor_runs_work_in_the_context_of_its_submission(
    inside: Context, threads: ThreadPoolExecutor
) -> None:
    executor = BoundExecutor(threads)
    with attached(inside):
        first = executor.submit(where)
    second = executor.submit(where)
    assert (first.result(), second.result()) == ("inside", None)


def test_a_bound_executor_maps_in_the_context_of_the_caller(inside: Context, threads: ThreadPoolExecutor) -> None:
    with attached(inside):
        found = BoundExecutor(threads).map(where, range(3))
    assert list(found) == ["inside"] * 3


def test_a_bound_executor_shuts_its_executor_down() -> None:
    with BoundExecutor(ThreadPoolExecutor(1)) as executor:
        executor.submit(where).result()
    with pytest.raises(RuntimeError, match="shutdown"):
        executor.submit(where)


def test_a_process_pool_is_a_mistake_that_is_told_at_once() -> None:
    pool = ProcessPoolExecutor(1)
    with pytest.raises(TypeError, match="inject"):
        BoundExecutor(pool)
    pool.shutdown()
