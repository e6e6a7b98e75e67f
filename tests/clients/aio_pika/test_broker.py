"""aio-pika: what RabbitMQ itself does with messages, bad input, robust connections."""

import asyncio
import gc
import uuid
import weakref
from typing import Any

import aio_pika
import aio_pika.exceptions
import aiormq
import pytest
from opentelemetry import trace
from pamqp.header import ContentHeader

from tests.clients.aio_pika.queues import consumed, declared, fetched, publish, publish_in_traces
from tests.clients.rabbitmq import ODD_HEADERS, PARENT, attributes, trace_id
from tests.contract.conftest import Spans, context_of
from unbroken import extract, forward, process
from unbroken.clients.aio_pika import connect, connect_robust

# What RabbitMQ itself does with messages.


async def test_a_dead_letter_of_rabbitmq_keeps_its_trace(channel: Any, spans: Spans) -> None:
    letters = await declared(channel)
    to = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": letters.name}
    queue = await declared(channel, **to)
    (sent,) = await publish_in_traces(channel, queue, 1)
    await (await fetched(queue)).reject()
    with process(await fetched(letters)):
        seen = trace_id()
    found = attributes(spans.processed[0])
    death = {name.removeprefix("unbroken.message.death."): value for name, value in found.items() if "death" in name}
    assert seen == sent
    assert death == {"count": 1, "queue": queue.name, "reason": "rejected"}


async def test_a_redelivered_message_says_so(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    for _ in range(2):
        with process(message := await fetched(queue)):
            await message.nack()
    assert [attributes(span).get("unbroken.message.redelivered") for span in spans.processed] == [None, True]


async def test_a_forwarded_message_is_in_the_same_trace(channel: Any, queue: Any, spans: Spans) -> None:
    retry = await declared(channel)
    await publish(channel, queue, headers={"n": 7})
    with process(message := await fetched(queue)):
        await publish(channel, retry, headers=forward(message, error=ValueError("no")))
    with process(again := await fetched(retry)):
        pass
    one, other = (context_of(span).trace_id for span in spans.processed)
    assert one == other
    assert (again.headers["n"], again.headers["unbroken-attempt"]) == (7, "1")


# Bad input.


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=repr)
async def test_odd_headers_cost_neither_message_nor_span(
    channel: Any, queue: Any, untraced: Any, spans: Spans, headers: Any
) -> None:
    seen = []

    async def handle(message: Any) -> None:
        seen.append(message.body)
        await message.ack()

    await publish(untraced, queue, headers=headers)
    await consumed(queue, handle)
    assert seen == [b"value"]
    assert len(spans.processed) == 1


@pytest.mark.parametrize("channel", [None, object()], ids=["no channel", "a stand-in"])
def test_a_message_that_a_test_of_an_application_made_is_processed(channel: Any, spans: Spans) -> None:
    header = ContentHeader(properties=aiormq.spec.Basic.Properties())
    delivery = aiormq.spec.Basic.Deliver(consumer_tag="1", delivery_tag=1, exchange="shop", routing_key="orders")
    delivered = aiormq.abc.DeliveredMessage(delivery=delivery, header=header, body=b"", channel=channel)
    with process(aio_pika.IncomingMessage(delivered)):
        pass
    assert [span.name for span in spans.processed] == ["process shop:orders"]


async def test_extract_reads_a_message(channel: Any, queue: Any, untraced: Any) -> None:
    await publish(untraced, queue, headers={"traceparent": PARENT})
    span = trace.get_current_span(extract(await fetched(queue)))
    assert span.get_span_context().span_id == 0xB7AD6B7169203331


# Robust connections.


async def test_a_restored_consumer_is_traced_once(rabbitmq: str, spans: Spans) -> None:
    connection = await connect_robust(rabbitmq, reconnect_interval=0.1)
    channel = await connection.channel()
    queue = await channel.declare_queue(f"robust-{uuid.uuid4().hex[:8]}", auto_delete=False, durable=True)
    seen: list[int] = []
    arrived = asyncio.Event()

    async def handle(message: Any) -> None:
        async with message.process():
            seen.append(trace_id())
            arrived.set()

    await queue.consume(handle)
    sent = await publish_in_traces(channel, queue, 1)
    await asyncio.wait_for(arrived.wait(), 20)
    arrived.clear()
    restored = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: restored.set())
    transport: Any = connection.transport
    await transport.connection.close(ConnectionError("lost"))
    await asyncio.wait_for(restored.wait(), 20)
    await channel.ready()
    sent += await publish_in_traces(channel, queue, 1)
    await asyncio.wait_for(arrived.wait(), 20)
    await queue.delete(if_unused=False, if_empty=False)
    await connection.close()
    assert seen == sent
    assert len(spans.processed) == 2


async def test_nothing_keeps_a_channel_alive(rabbitmq: str, spans: Spans) -> None:
    async with await connect(rabbitmq) as connection:
        channel = await connection.channel()
        queue = await declared(channel)
        await publish(channel, queue)
        with process(await fetched(queue)):
            pass
        underlay = weakref.ref(await channel.get_underlay_channel())
        await channel.close()
        del channel, queue
    del connection
    for _ in range(5):
        await asyncio.sleep(0)
        gc.collect()
    assert underlay() is None


async def test_nothing_keeps_a_handler_alive(rabbitmq: str, spans: Spans) -> None:
    """Often it is a method of the object that keeps the connection."""

    class Application:
        async def run(self) -> None:
            async with await connect(rabbitmq) as self.connection:
                self.queue = await declared(await self.connection.channel())
                await self.queue.consume(self.handle)

        async def handle(self, message: Any) -> None:
            await message.ack()

    application = Application()
    await application.run()
    known = weakref.ref(application)
    del application
    for _ in range(5):
        await asyncio.sleep(0)
        gc.collect()
    assert known() is None
