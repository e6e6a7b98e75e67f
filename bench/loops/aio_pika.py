"""aio-pika: queue.consume, queue.iterator, consume with message.process(), exchange.publish to its confirm."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, HAND, OURS, UNSETTLED
from bench.filling import PRODUCED, QUEUE
from bench.records import MAPPED_HEADERS, VALUE
from bench.timing import Laps

Run = Callable[[AbstractChannel, Laps], Awaitable[None]]
Handler = Callable[[AbstractIncomingMessage], Awaitable[None]]


async def consume(channel: AbstractChannel, laps: Laps) -> None:
    """The callback that is instrumented from outside, or not at all."""
    finished = asyncio.Event()

    async def handle(_message: AbstractIncomingMessage) -> None:
        if laps.is_last():
            finished.set()

    await _consumed(channel, handle, finished)


async def consume_by_hand(channel: AbstractChannel, laps: Laps) -> None:
    """The callback with stock OpenTelemetry."""
    finished = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        by_hand.process_mapping(QUEUE, message.headers)
        if laps.is_last():
            finished.set()

    await _consumed(channel, handle, finished)


async def iterator(channel: AbstractChannel, laps: Laps) -> None:
    """The iterator that is instrumented from outside, or not at all."""
    queue = await channel.get_queue(QUEUE)
    async with queue.iterator(no_ack=True) as messages:
        async for _ in messages:
            if laps.is_last():
                break


async def iterator_unbroken(channel: AbstractChannel, laps: Laps) -> None:
    """The iterator with unbroken."""
    from unbroken import process

    queue = await channel.get_queue(QUEUE)
    async with queue.iterator(no_ack=True) as messages:
        async for message in messages:
            with process(message):
                pass
            if laps.is_last():
                break


async def iterator_by_hand(channel: AbstractChannel, laps: Laps) -> None:
    """The iterator with stock OpenTelemetry."""
    queue = await channel.get_queue(QUEUE)
    async with queue.iterator(no_ack=True) as messages:
        async for message in messages:
            by_hand.process_mapping(QUEUE, message.headers)
            if laps.is_last():
                break


async def processed(channel: AbstractChannel, laps: Laps) -> None:
    """A callback whose message is acknowledged by `message.process()`."""
    finished = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        async with message.process():
            pass
        if laps.is_last():
            finished.set()

    await channel.set_qos(100)
    await _consumed(channel, handle, finished, no_ack=False)


async def processed_by_hand(channel: AbstractChannel, laps: Laps) -> None:
    """The same with stock OpenTelemetry, without a span for the acknowledgement."""
    finished = asyncio.Event()

    async def handle(message: AbstractIncomingMessage) -> None:
        async with message.process():
            by_hand.process_mapping(QUEUE, message.headers)
        if laps.is_last():
            finished.set()

    await channel.set_qos(100)
    await _consumed(channel, handle, finished, no_ack=False)


async def publish(channel: AbstractChannel, laps: Laps) -> None:
    """The loop that is instrumented from outside, or not at all."""
    for _ in range(laps.total):
        message = aio_pika.Message(VALUE, headers=dict(MAPPED_HEADERS), content_type="text/plain")
        await channel.default_exchange.publish(message, PRODUCED)
        laps.is_last()


async def publish_by_hand(channel: AbstractChannel, laps: Laps) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(laps.total):
        with by_hand.TRACER.start_as_current_span(f"publish {PRODUCED}", kind=SpanKind.PRODUCER):
            headers: Any = by_hand.injected_mapping(MAPPED_HEADERS)
            message = aio_pika.Message(VALUE, headers=headers, content_type="text/plain")
            await channel.default_exchange.publish(message, PRODUCED)
        laps.is_last()


RUNS: dict[str, dict[str, Run]] = {
    "consume": {BARE: consume, HAND: consume_by_hand},
    "iterator": {BARE: iterator, HAND: iterator_by_hand, OURS: iterator_unbroken},
    "consume with process()": {BARE: processed, HAND: processed_by_hand},
    "publish": {BARE: publish, HAND: publish_by_hand},
}


def measure(loop: str, contender: str, condition: str, address: str, messages: int) -> float:  # noqa: ARG001
    """Return the microseconds per message in `loop`."""
    return asyncio.run(_measure(loop, contender, address, messages))


async def _measure(loop: str, contender: str, address: str, messages: int) -> float:
    laps = Laps(messages)
    connect: Callable[..., Any] = aio_pika.connect
    if contender in (OURS, UNSETTLED):
        from unbroken.clients.aio_pika import connect
    async with await connect(address) as connection:
        await RUNS[loop].get(contender, RUNS[loop][BARE])(await connection.channel(), laps)
    return laps.microseconds


async def _consumed(channel: AbstractChannel, handle: Handler, finished: asyncio.Event, *, no_ack: bool = True) -> None:
    queue = await channel.get_queue(QUEUE)
    tag = await queue.consume(handle, no_ack=no_ack)
    await finished.wait()
    await queue.cancel(tag)
