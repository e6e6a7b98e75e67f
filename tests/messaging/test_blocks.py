"""One object is one block."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry.context import Context, get_current

from unbroken import attached, process, receive, send
from unbroken.errors import OpenTwice
from unbroken.testing import MemoryBroker, Record


@pytest.fixture
def record(memory_broker: MemoryBroker) -> Record:
    return memory_broker.produce("orders", b"1")


BLOCKS: dict[str, Callable[[Record], AbstractContextManager[Any]]] = {
    "attached": lambda record: attached(Context({"tenant": "a"})),
    "process": process,
    "receive": lambda record: receive([record]),
    "send": lambda record: send("orders"),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_an_object_that_is_entered_cannot_be_entered_again(kind: str, record: Record) -> None:
    block = BLOCKS[kind](record)
    before = get_current()
    with block, pytest.raises(OpenTwice, match=f"this {kind} block is open already"):
        block.__enter__()
    assert get_current() == before


@pytest.mark.parametrize("kind", BLOCKS)
def test_an_object_can_be_entered_again_after_its_block(kind: str, record: Record) -> None:
    block = BLOCKS[kind](record)
    before = get_current()
    for _ in range(2):
        with block:
            pass
    assert get_current() == before


def test_a_correlation_that_there_is_not_is_an_error(record: Record) -> None:
    with pytest.raises(ValueError, match="correlation must be one of parent, link, not 'both'"):
        process(record, correlation="both")  # type: ignore[call-overload]
