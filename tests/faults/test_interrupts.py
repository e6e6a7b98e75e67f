"""An interrupt while unbroken itself is at work on the end of a block: the span ends all the same."""

from contextlib import AbstractContextManager

import pytest
from opentelemetry.context import get_current

from unbroken import process, receive, send
from unbroken.testing import MemoryBroker, Spans


class Interrupted(Exception):
    """An exception during whose text somebody presses Ctrl-C."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize("block", ["process", "receive", "send"])
def test_a_block_that_is_interrupted_at_its_end_ends_its_span(
    memory_broker: MemoryBroker, spans: Spans, block: str
) -> None:
    message = memory_broker.produce("orders", b"1")
    blocks: dict[str, AbstractContextManager[object]] = {
        "process": process(message),
        "receive": receive([message]),
        "send": send("orders"),
    }
    before = get_current()
    with pytest.raises(KeyboardInterrupt), blocks[block]:
        raise Interrupted
    assert get_current() == before
    assert len(spans.finished) == 1
