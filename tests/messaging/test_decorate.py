"""`@process` on a handler: each call runs in the block of its message."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from opentelemetry.context import get_current

from tests.messaging.telemetry import IDS, attributes, here, ids, message
from unbroken import UnknownMessage, WrongArgument, process
from unbroken.testing import Record


def current() -> str:
    return "%032x" % here().trace_id


@process
def handle(record: Any, more: int = 1) -> str:
    """Say in which trace it runs."""
    return current()


@process
async def handle_async(record: Any) -> str:
    await asyncio.sleep(0)
    return current()


class Worker:
    @process
    def method(self, record: Any) -> str:
        assert isinstance(self, Worker)
        return current()

    @process
    async def coroutine(self, record: Any) -> str:
        return current()

    @staticmethod
    @process
    def static(record: Any) -> str:
        return current()

    @process
    @staticmethod
    def static_inside(record: Any) -> str:
        return current()

    @classmethod
    @process
    def of_class(cls, record: Any) -> str:
        return current()

    @process
    @classmethod
    def of_class_inside(cls, record: Any) -> str:
        return current()

    def plain(self, record: Any) -> str:
        return current()


class Handler:
    def __call__(self, record: Any) -> str:
        return current()


async def with_keyword(record: Any) -> str:
    handled: str = await handle_async(record=record)
    return handled


HANDLERS: dict[str, Callable[[Any], Any]] = {
    "function": handle,
    "keyword": lambda record: handle(record=record),
    "more": lambda record: handle(record, 2),
    "coroutine function": handle_async,
    "coroutine function by keyword": with_keyword,
    "method": Worker().method,
    "method by keyword": lambda record: Worker().method(record=record),
    "method of the class": lambda record: Worker.method(Worker(), record),
    "async method": Worker().coroutine,
    "static": Worker.static,
    "static of an object": Worker().static,
    "static inside": Worker.static_inside,
    "class method": Worker.of_class,
    "class method inside": Worker().of_class_inside,
    "bound method": process(Worker().plain),
    "partial": process(functools.partial(lambda record, more: current(), more=1)),
    "callable": process(Handler()),
    "factory": process()(lambda record: current()),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_runs_in_the_trace_of_its_message(name: str, finished: Any) -> None:
    found = HANDLERS[name](message())
    if inspect.isawaitable(found):
        found = asyncio.run(found)  # type: ignore[arg-type]
    assert found == IDS[:32]
    assert [(span.name, "%032x-%016x" % ids(span.parent)) for span in finished()] == [("process orders", IDS)]
    assert get_current() == {}


def test_a_decorated_function_keeps_what_it_is() -> None:
    assert (handle.__name__, handle.__doc__) == ("handle", "Say in which trace it runs.")
    assert list(inspect.signature(handle).parameters) == ["record", "more"]
    assert inspect.iscoroutinefunction(handle_async)
    assert not inspect.iscoroutinefunction(handle)


def test_the_decorator_takes_what_the_block_takes(finished: Any) -> None:
    @process(correlation="link", attributes={"shop": "north"})
    def linked(record: Any) -> None: ...

    linked(message())
    (span,) = finished()
    assert (span.parent, attributes(span)["shop"]) == (None, "north")


def test_an_exception_marks_the_span_and_passes(finished: Any) -> None:
    @process
    async def fail(record: Any) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(fail(message()))
    (span,) = finished()
    assert attributes(span)["error.type"] == "ValueError"


@pytest.mark.parametrize("call", [lambda: handle(7), lambda: handle(None), lambda: Worker().method(b"v")])
def test_what_is_no_message_is_refused_in_the_call(call: Callable[[], object]) -> None:
    with pytest.raises(UnknownMessage):
        call()


def test_wrong_arguments_of_a_handler_are_told_as_such() -> None:
    with pytest.raises(TypeError, match="record") as raised:
        handle()
    assert not isinstance(raised.value, UnknownMessage)


async def generate(record: Any) -> Any:
    yield record


@pytest.mark.parametrize("refused", [generate, functools.partial(generate), staticmethod(generate)])
def test_a_generator_function_is_refused_when_it_is_decorated(refused: Any) -> None:
    with pytest.raises(WrongArgument, match=r"with process\(message\)"):
        process(refused)


@pytest.mark.parametrize("mock", [MagicMock, AsyncMock])
def test_a_message_that_can_be_called_is_a_message(mock: Any, finished: Any) -> None:
    record = mock(spec=Record, topic="orders", partition=0, offset=1, key=None, value=b"", headers=[], timestamp=0.0)
    with process(record):
        assert here().is_valid
    assert [span.name for span in finished()] == ["process orders"]
