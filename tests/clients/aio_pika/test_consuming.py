"""aio-pika: callbacks, iterators, `get`, and `message.process()`."""

import asyncio
import gc
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest
from opentelemetry import trace
from opentelemetry.context import get_current
from yarl import URL

from tests.clients.aio_pika.queues import consumed, declared, fetched, publish, publish_in_traces
from tests.clients.rabbitmq import PARENT, attributes, settled, trace_id
from tests.contract.conftest import Spans
from unbroken import process, receive
from unbroken.clients.aio_pika import connect

# Callbacks.


async def test_each_callback_runs_in_the_trace_of_its_producer(channel: Any, queue: Any, spans: Spans) -> None:
    sent = await publish_in_traces(channel, queue, 20)
    seen: list[int] = []

    async def handle(message: Any) -> None:
        await asyncio.sleep(0)
        seen.append(trace_id())
        await message.ack()

    await consumed(queue, handle, 20)
    assert sorted(seen) == sorted(sent)


async def test_process_of_the_client_inside_a_callback_is_one_span(channel: Any, queue: Any, spans: Spans) -> None:
    async def handle(message: Any) -> None:
        async with message.process():
            with process(message):
                pass

    await publish(channel, queue)
    await consumed(queue, handle)
    assert len(spans.processed) == 1
    assert [span.name for span in settled(spans)] == [f"ack {queue}"]


async def test_an_error_of_the_callback_marks_its_span(channel: Any, queue: Any, spans: Spans) -> None:
    async def handle(message: Any) -> None:
        async with message.process():
            raise KeyError("no")

    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    await publish(channel, queue)
    await consumed(queue, handle)
    gc.collect()
    assert attributes(spans.processed[0])["error.type"] == "KeyError"
    assert [span.name for span in settled(spans)] == [f"reject {queue}"]


async def test_the_process_span_tells_what_is_processed(channel: Any, queue: Any, spans: Spans, rabbitmq: str) -> None:
    await queue.bind("amq.topic", "orders.*")
    exchange = await channel.get_exchange("amq.topic")
    await exchange.publish(aio_pika.Message(b"value", message_id="m", correlation_id="c"), "orders.eu")

    async def handle(message: Any) -> None:
        await message.ack()

    await consumed(queue, handle)
    url = URL(rabbitmq)
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"
    assert attributes(spans.processed[0]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": f"amq.topic:orders.eu:{queue}",
        "messaging.rabbitmq.destination.routing_key": "orders.eu",
        "messaging.rabbitmq.message.delivery_tag": 1,
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": url.host,
        "server.port": url.port,
    }


async def test_two_consumers_of_a_channel_keep_their_traces(channel: Any, queue: Any, spans: Spans) -> None:
    other = await declared(channel)
    sent = {str(one): await publish_in_traces(channel, one, 5) for one in (queue, other)}
    seen: dict[str, list[int]] = {str(queue): [], str(other): []}

    async def handle(message: Any) -> None:
        await asyncio.sleep(0)
        seen[message.routing_key].append(trace_id())
        await message.ack()

    await asyncio.gather(consumed(queue, handle, 5), consumed(other, handle, 5))
    assert {name: sorted(traces) for name, traces in seen.items()} == {
        name: sorted(traces) for name, traces in sent.items()
    }


async def test_consuming_leaves_the_context_of_its_task_as_it_was(channel: Any, queue: Any, spans: Spans) -> None:
    before = get_current()
    await publish(channel, queue)
    await consumed(queue, lambda message: message.ack())
    assert get_current() is before


async def test_a_span_around_the_opening_of_the_channel_is_a_link_of_what_is_processed(
    rabbitmq: str, spans: Spans
) -> None:
    async with await connect(rabbitmq) as connection:
        with trace.get_tracer("test").start_as_current_span("start") as start:
            channel = await connection.channel()
        queue = await declared(channel)
        await publish(channel, queue)
        await consumed(queue, lambda message: message.ack())
    assert start.get_span_context().span_id in {link.context.span_id for link in spans.processed[0].links}


async def test_what_is_no_coroutine_function_is_warned_of_as_without_us(channel: Any, queue: Any) -> None:
    with pytest.warns(DeprecationWarning, match="non-coroutine"):
        await queue.consume(lambda _: None)


# Iterators, `get`, and `message.process()`.


async def test_each_message_of_an_iterator_is_processed_in_its_trace(channel: Any, queue: Any, spans: Spans) -> None:
    sent, seen = await publish_in_traces(channel, queue, 3), []
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                seen.append(trace_id())
            if len(seen) == 3:
                break
    assert seen == sent


async def test_an_iterator_makes_nothing_current(channel: Any, queue: Any, spans: Spans) -> None:
    before = get_current()
    await publish(channel, queue)
    async with queue.iterator() as messages:
        async for message in messages:
            assert get_current() is before
            with process(message):
                pass
            break
    assert get_current() is before
    assert spans.processed[0].name == f"process {queue}"


async def test_a_message_of_an_iterator_knows_its_queue(channel: Any, queue: Any, spans: Spans) -> None:
    await queue.bind("amq.topic", "orders.*")
    exchange = await channel.get_exchange("amq.topic")
    await exchange.publish(aio_pika.Message(b"value"), "orders.eu")
    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():
                pass
            break
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


async def test_what_an_iterator_gives_back_makes_no_span(channel: Any, queue: Any, spans: Spans) -> None:
    for _ in range(3):
        await publish(channel, queue)
    async with queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            break
    assert (spans.processed, settled(spans)) == ([], [])


async def test_an_error_in_process_of_the_client_marks_the_span_and_passes(
    channel: Any, queue: Any, spans: Spans
) -> None:
    before = get_current()
    await publish(channel, queue)
    message = await fetched(queue)
    with pytest.raises(KeyError):
        async with message.process():
            raise KeyError("no")
    assert get_current() is before
    assert attributes(spans.processed[0])["error.type"] == "KeyError"
    assert message.processed


async def test_process_of_the_client_keeps_its_own_behaviour(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    async with (await fetched(queue)).process(ignore_processed=True) as message:
        await message.reject(requeue=True)
    with pytest.raises(KeyError):
        async with (await fetched(queue)).process(requeue=True, reject_on_redelivered=True):
            raise KeyError("no")
    assert await queue.get(fail=False) is None


async def test_a_block_that_cannot_acknowledge_marks_its_span(channel: Any, queue: Any, spans: Spans) -> None:
    before = get_current()
    await publish(channel, queue)
    message = await fetched(queue)
    with pytest.raises(aio_pika.exceptions.MessageProcessError):
        async with message.process():
            await message.ack()
    assert get_current() is before
    assert attributes(spans.processed[0])["error.type"].endswith("MessageProcessError")


async def test_a_message_that_was_fetched_knows_its_queue(channel: Any, queue: Any, spans: Spans) -> None:
    await queue.bind("amq.topic", "orders.*")
    exchange = await channel.get_exchange("amq.topic")
    await exchange.publish(aio_pika.Message(b"value"), "orders.eu")
    with process(await fetched(queue)):
        pass
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


async def test_several_messages_are_one_receive_span(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    await publish(channel, queue)
    with receive([await fetched(queue), await fetched(queue)]):
        pass
    links = spans.named(f"consume {queue}").links
    assert [(link.attributes or {})["messaging.rabbitmq.message.delivery_tag"] for link in links] == [1, 2]


async def test_a_message_of_the_clients_own_connection_is_processed(untraced: Any, spans: Spans) -> None:
    queue = await declared(untraced)
    await publish(untraced, queue, headers={"traceparent": PARENT})
    with process(await fetched(queue)):
        assert trace_id() == 0x0AF7651916CD43DD8448EB211C80319C
    assert spans.processed[0].name == f"process {queue}"


async def test_a_queue_that_nobody_named_is_in_no_span_name(channel: Any, spans: Spans, rabbitmq: str) -> None:
    queue = await channel.declare_queue(exclusive=True)
    await publish(channel, queue.name)
    async with (await fetched(queue)).process():
        pass
    url = URL(rabbitmq)
    assert [span.name for span in spans.ended] == [
        f"{operation} {url.host}:{url.port}" for operation in ("publish", "ack", "process")
    ]
