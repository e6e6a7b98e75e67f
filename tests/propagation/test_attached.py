"""After an `attached` block the context is what it was before, however the block ends."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import Any

import pytest
from opentelemetry.context import Context, get_current

from unbroken import attached, bind
from unbroken.propagation import context as propagation


@pytest.fixture
def inside() -> Context:
    return Context({"where": "inside"})


@pytest.fixture
def nested() -> Context:
    return Context({"where": "nested"})


def test_the_context_is_current_in_the_block_and_not_after_it(inside: Context) -> None:
    before = get_current()
    with attached(inside) as context:
        assert context is inside
        assert get_current() is inside
    assert get_current() is before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_an_error_passes_untouched_and_leaves_the_context_as_it_was(
    error: type[BaseException], inside: Context
) -> None:
    before, raised = get_current(), error()
    with pytest.raises(error) as caught, attached(inside):
        raise raised
    assert caught.value is raised
    assert get_current() is before


def test_blocks_nest(inside: Context, nested: Context) -> None:
    with attached(inside):
        with attached(nested):
            assert get_current() is nested
        assert get_current() is inside


def test_a_block_can_be_used_again(inside: Context) -> None:
    before, block = get_current(), attached(inside)
    for _ in range(2):
        with block:
            assert get_current() is inside
        assert get_current() is before


def test_a_block_that_was_left_can_be_left_again(inside: Context) -> None:
    block = attached(inside)
    with block:
        pass
    block.__exit__(None, None, None)
    assert get_current() is not inside


def test_a_loop_left_by_break_leaves_the_context_as_it_was(inside: Context) -> None:
    before = get_current()
    for _ in range(3):
        with attached(inside):
            break
    assert get_current() is before


def test_a_generator_left_by_break_leaves_the_context_as_it_was(inside: Context) -> None:
    def messages() -> Generator[int, None, None]:
        for number in range(3):
            with attached(inside):
                yield number

    before = get_current()
    with closing(messages()) as numbers:
        for _ in numbers:
            assert get_current() is inside
            break
    assert get_current() is before


async def test_an_asynchronous_generator_that_is_closed_leaves_the_context_as_it_was(inside: Context) -> None:
    async def messages() -> AsyncGenerator[int, None]:
        with attached(inside):
            yield 1
            yield 2

    before = get_current()
    async with aclosing(messages()) as numbers:
        async for _ in numbers:
            assert get_current() is inside
            break
    assert get_current() is before


def test_an_asynchronous_generator_that_the_loop_finishes_is_no_error(
    inside: Context, caplog: pytest.LogCaptureFixture
) -> None:
    finished = []

    async def messages() -> AsyncGenerator[int, None]:
        try:
            with attached(inside):
                yield 1
        finally:
            finished.append(get_current())

    async def abandoning() -> None:
        async for _ in messages():
            break
        gc.collect()

    asyncio.run(abandoning())
    assert len(finished) == 1
    assert caplog.records == []


def test_a_block_left_in_another_thread_is_no_error_there(inside: Context, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []
    token = propagation.attach(inside)

    def elsewhere() -> None:
        propagation.detach(token)
        seen.append(get_current())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    propagation.detach(token)
    assert seen == [Context()]
    assert caplog.records == []


def test_a_token_used_twice_is_no_error(inside: Context) -> None:
    before, token = get_current(), propagation.attach(inside)
    propagation.detach(token)
    propagation.detach(token)
    assert get_current() is before


def test_the_context_of_one_thread_is_not_that_of_another(inside: Context) -> None:
    seen: list[Context] = []
    with attached(inside):
        thread = threading.Thread(target=lambda: seen.append(get_current()))
        thread.start()
        thread.join()
    assert seen == [Context()]


async def test_tasks_that_take_turns_keep_their_contexts_apart() -> None:
    turns = [asyncio.Event() for _ in range(3)]

    async def task(number: int) -> tuple[int, object]:
        with attached(Context({"task": number})):
            turns[number].set()
            for turn in turns:
                await turn.wait()
            return number, get_current()["task"]

    assert await asyncio.gather(*map(task, range(3))) == [(0, 0), (1, 1), (2, 2)]


async def test_a_cancelled_task_leaves_nothing(inside: Context) -> None:
    before, entered, after = get_current(), asyncio.Event(), []

    async def waiting() -> None:
        try:
            with attached(inside):
                entered.set()
                await asyncio.Event().wait()
        finally:
            after.append(get_current())

    task = asyncio.create_task(waiting())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert after == [before]


async def test_a_task_started_in_the_block_keeps_the_context_after_it(inside: Context) -> None:
    async def where() -> Context:
        return get_current()

    with attached(inside):
        task = asyncio.create_task(where())
    assert await task is inside


def test_binding_is_attaching_later(inside: Context) -> None:
    with attached(inside):
        bound = bind(get_current)
    assert bound() is inside
