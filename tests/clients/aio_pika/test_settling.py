"""aio-pika: acknowledgements and rejections."""

import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace

from tests.clients.aio_pika.queues import fetched, publish
from tests.clients.rabbitmq import settled
from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, process
from unbroken.messaging.receipts import remembered_up_to


@pytest.mark.parametrize(
    ("operation", "settle"),
    [
        ("ack", lambda message: message.ack()),
        ("ack", lambda message: message.ack(True)),
        ("nack", lambda message: message.nack(requeue=False)),
        ("reject", lambda message: message.reject()),
    ],
)
@pytest.mark.parametrize("is_inside", [True, False], ids=["inside", "after"])
async def test_settling_is_a_child_of_the_process_span(
    channel: Any, queue: Any, spans: Spans, operation: str, settle: Callable[[Any], Awaitable[None]], is_inside: bool
) -> None:
    await publish(channel, queue)
    message = await fetched(queue)
    with process(message):
        if is_inside:
            await settle(message)
    if not is_inside:
        await settle(message)
    (span,) = settled(spans)
    assert span.name.startswith(operation)
    assert span.parent is not None
    assert span.parent.span_id == context_of(spans.processed[0]).span_id


async def test_settling_several_links_the_process_span_of_each(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    await publish(channel, queue)
    with process(await fetched(queue)):
        pass
    with process(message := await fetched(queue)):
        pass
    with trace.get_tracer("test").start_as_current_span("batch"):
        await message.ack(multiple=True)
    (span,) = settled(spans)
    assert {link.context.span_id for link in span.links} == {context_of(one).span_id for one in spans.processed}


async def test_without_settle_spans_a_message_is_still_acknowledged(channel: Any, queue: Any, spans: Spans) -> None:
    before = configure(Policy(settle=False))
    try:
        await publish(channel, queue)
        message = await fetched(queue)
        async with message.process():
            pass
    finally:
        configure(before)
    assert (settled(spans), message.processed) == ([], True)


async def test_a_message_without_acknowledgement_leaves_nothing_behind(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    message = await queue.get(no_ack=True)
    with process(message):
        pass
    assert remembered_up_to(weakref.ref(message.channel), 0) == []
