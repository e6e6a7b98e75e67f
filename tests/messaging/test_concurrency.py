"""The same `with` in tasks and threads: each message in its own trace, nothing left behind."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode

from tests.messaging.telemetry import Finished, here, ids, message
from unbroken import BoundExecutor, bind, process, receive


def numbered(count: int) -> list[Any]:
    return [
        message([("traceparent", b"00-%032x-%016x-01" % (number, number))], offset=number)
        for number in range(1, count + 1)
    ]


def expected(count: int) -> list[tuple[int, int]]:
    return [(number, number) for number in range(1, count + 1)]


def parents(finished: Finished, name: str = "process orders") -> list[tuple[int, int]]:
    return sorted(ids(span.parent) for span in finished() if span.name == name)


async def test_tasks_that_take_turns_stay_in_their_traces(finished: Finished) -> None:
    entered = [asyncio.Event() for _ in range(20)]

    async def handle(number: int, one: Any) -> int:
        with process(one):
            entered[number].set()
            for event in entered:
                await event.wait()
            return here().trace_id

    before = get_current()
    found = await asyncio.gather(*(handle(number, one) for number, one in enumerate(numbered(20))))
    assert found == list(range(1, 21))
    assert parents(finished) == expected(20)
    assert get_current() is before


async def test_awaiting_in_one_task_does_not_lose_the_message(finished: Finished) -> None:
    with process(message()) as span:
        await asyncio.sleep(0)
        assert ids(here()) == ids(span.get_span_context())
        assert await asyncio.create_task(child()) == span.get_span_context().trace_id


async def child() -> int:
    await asyncio.sleep(0)
    return here().trace_id


async def test_a_cancelled_handler_marks_its_span_and_passes(finished: Finished) -> None:
    entered, after = asyncio.Event(), []

    async def handle() -> None:
        try:
            with process(message()):
                entered.set()
                await asyncio.Event().wait()
        finally:
            after.append(get_current())

    before, task = get_current(), asyncio.create_task(handle())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = finished()
    assert (span.status.status_code, after) == (StatusCode.ERROR, [before])


async def test_a_timeout_of_a_handler_is_an_error_of_its_span_only(finished: Finished) -> None:
    with process(message()), pytest.raises(asyncio.TimeoutError), process(message()):
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)
    inner, outer = finished()
    assert (inner.status.status_code, outer.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)


async def test_an_asynchronous_loop_processes_each_message_in_its_trace(finished: Finished) -> None:
    async def consumer() -> AsyncGenerator[Any, None]:
        for one in numbered(3):
            await asyncio.sleep(0)
            yield one

    before = get_current()
    async for one in consumer():
        with process(one):
            await asyncio.sleep(0)
    assert parents(finished) == expected(3)
    assert get_current() is before


async def test_a_batch_is_processed_by_tasks(finished: Finished) -> None:
    messages = numbered(5)

    async def handle(one: Any) -> None:
        with process(one):
            await asyncio.sleep(0)

    with receive(messages):
        await asyncio.gather(*map(handle, messages))
    assert parents(finished) == expected(5)


async def test_a_task_that_outlives_the_block_is_still_in_its_trace(finished: Finished) -> None:
    go = asyncio.Event()

    async def later() -> int:
        await go.wait()
        return here().trace_id

    with process(message()) as span:
        task = asyncio.create_task(later())
    go.set()
    assert await task == span.get_span_context().trace_id


def test_threads_stay_in_their_traces(finished: Finished) -> None:
    meeting = Barrier(4, timeout=10)

    def handle(one: Any) -> tuple[int, bool]:
        before = get_current()
        with process(one):
            meeting.wait()
            found = here().trace_id
        return found, get_current() is before

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(handle, numbered(4))) == [(number, True) for number in range(1, 5)]
    assert parents(finished) == expected(4)


def test_work_that_is_handed_to_a_thread_is_in_the_trace_of_its_message(finished: Finished) -> None:
    with ThreadPoolExecutor(2) as pool:
        futures = []
        for one in numbered(4):
            with process(one):
                futures += [
                    pool.submit(bind(lambda: here().trace_id)),
                    BoundExecutor(pool).submit(lambda: here().trace_id),
                ]
        assert [future.result() for future in futures] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_the_same_message_in_a_bound_thread_is_one_span(finished: Finished) -> None:
    one = message()

    def handle() -> None:
        with process(one):
            pass

    with ThreadPoolExecutor(1) as pool, process(one):
        pool.submit(bind(handle)).result()
    assert len(finished()) == 1


def test_the_same_message_in_a_plain_thread_is_a_span_of_its_own(finished: Finished) -> None:
    one = message()

    def handle() -> None:
        with process(one):
            pass

    with ThreadPoolExecutor(1) as pool, process(one):
        pool.submit(handle).result()
    assert len(finished()) == 2
