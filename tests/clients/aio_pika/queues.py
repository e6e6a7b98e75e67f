"""Queues of the test's own, and what came of their messages."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import aio_pika
import aio_pika.exceptions
from opentelemetry import trace

from tests.clients.rabbitmq import trace_id

NAMES = ["publish {}", "ack {}", "process {}"]
FIELDS = {
    "text": "ü",
    "octets": bytearray(b"\xff\x00"),
    "number": 7,
    "large": 1 << 40,
    "true": True,
    "none": None,
    "decimal": Decimal("1.5"),
    "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "table": {"inner": {"deep": [1, "two"]}},
    "list": [1, None, {"a": "b"}],
}


async def declared(channel: Any, **arguments: Any) -> Any:
    """A queue of the test's own."""
    return await channel.declare_queue(f"orders-{uuid.uuid4().hex[:8]}", exclusive=True, arguments=arguments)


async def publish(channel: Any, routing_key: Any, **fields: Any) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b"value", **fields), str(routing_key))


async def publish_in_traces(channel: Any, queue: Any, count: int) -> list[int]:
    """Publish so many messages, each in a trace of its own, and return the trace ids."""
    traces = []
    for _ in range(count):
        with trace.get_tracer("test").start_as_current_span("order"):
            traces.append(trace_id())
            await publish(channel, queue)
    return traces


async def consumed(queue: Any, handle: Callable[[Any], Awaitable[None]], count: int = 1, **named: Any) -> None:
    """Run a handler as the callback of a consumer until it was called so many times and is done."""
    done = asyncio.Event()
    left = [count]

    async def callback(message: Any) -> None:
        try:
            await handle(message)
        finally:
            left[0] -= 1
            if not left[0]:
                done.set()

    tag = await queue.consume(callback, **named)
    await asyncio.wait_for(done.wait(), 20)
    await asyncio.sleep(0)  # the callback's own end, after the event
    await queue.cancel(tag)


async def fetched(queue: Any) -> Any:
    """The next message of a queue."""
    for _ in range(400):
        if (message := await queue.get(fail=False)) is not None:
            return message
        await asyncio.sleep(0.01)
    raise AssertionError("no message came")
