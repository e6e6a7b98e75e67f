"""aio-pika: the classes, as zero code replaces their methods."""

from collections.abc import Iterator
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest
from opentelemetry.context import get_current

from tests.clients.aio_pika.queues import NAMES, consumed, declared, publish, publish_in_traces
from tests.clients.instrumented import instrumented
from tests.clients.rabbitmq import trace_id
from tests.contract.conftest import Spans
from unbroken.clients.aio_pika import connect, connect_robust
from unbroken.clients.aio_pika.zero_code import ZERO_CODE
from unbroken.clients.patches import install, uninstall


@pytest.fixture
def patched() -> Iterator[None]:
    """The classes of the client, as zero-code instrumentation patches them."""
    with instrumented(ZERO_CODE):
        yield


@pytest.mark.parametrize("connects", [aio_pika.connect, aio_pika.connect_robust, connect, connect_robust])
async def test_patched_classes_trace_every_connection_once(
    rabbitmq: str, spans: Spans, patched: None, connects: Any
) -> None:
    async with await connects(rabbitmq) as connection:
        channel = await connection.channel()
        queue = await declared(channel)
        await publish(channel, queue)

        async def handle(message: Any) -> None:
            async with message.process():
                pass

        await consumed(queue, handle)
    assert [span.name for span in spans.ended] == [name.format(queue) for name in NAMES]


@pytest.mark.parametrize("connects", [aio_pika.connect, aio_pika.connect_robust])
async def test_the_message_of_an_iterator_is_current_where_nothing_can_be_changed(
    rabbitmq: str, spans: Spans, patched: None, connects: Any
) -> None:
    before = get_current()
    async with await connects(rabbitmq) as connection:
        channel = await connection.channel()
        queue = await declared(channel)
        sent, seen = await publish_in_traces(channel, queue, 3), []
        async with queue.iterator() as messages:
            async for message in messages:
                seen.append(trace_id())
                await message.ack()
                if len(seen) == 3:
                    break
        after = get_current()
    assert seen == sent
    assert after is before
    assert len(spans.processed) == 3


async def test_uninstalling_leaves_the_classes_as_they_were() -> None:
    owners = {patch.owner for patch in ZERO_CODE.patches()}
    before = {owner: dict(vars(owner)) for owner in owners}
    install(ZERO_CODE.patches())
    uninstall(ZERO_CODE.patches())
    assert {owner: dict(vars(owner)) for owner in owners} == before
