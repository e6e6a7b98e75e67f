"""aio-pika: callbacks, iterators, `message.process()`, publisher confirms, settling, robust connections."""

import asyncio
import gc
import uuid
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import aio_pika
import aio_pika.exceptions
import aiormq
import pytest
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from pamqp.header import ContentHeader
from yarl import URL

from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, extract, forward, process, receive
from unbroken.clients import aio_pika as ours
from unbroken.clients.aio_pika import connect, connect_robust, dropins
from unbroken.clients.aio_pika.incoming import IncomingMessage
from unbroken.clients.aio_pika.zero_code import ZERO_CODE
from unbroken.clients.patches import install, uninstall
from unbroken.messaging.receipts import remembered_up_to

NAMES = ["publish {}", "ack {}", "process {}"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
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


@pytest.fixture(params=[connect, connect_robust], ids=["plain", "robust"])
async def channel(request: pytest.FixtureRequest, rabbitmq: str) -> AsyncIterator[Any]:
    """A channel of each drop-in connection, that raises for returned messages."""
    connection = await request.param(rabbitmq)
    async with connection:
        yield await connection.channel(on_return_raises=True)


@pytest.fixture
async def untraced(rabbitmq: str) -> AsyncIterator[Any]:
    """A channel of the client's own."""
    async with await aio_pika.connect(rabbitmq) as connection:
        yield await connection.channel()


@pytest.fixture
async def queue(channel: Any) -> Any:
    return await declared(channel)


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


def trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def settled(spans: Spans) -> list[ReadableSpan]:
    return [span for span in spans.of(SpanKind.CLIENT) if attributes(span)["messaging.operation.type"] == "settle"]


# The drop-in classes.


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Channel", "Queue", "Exchange"),
        *("RobustConnection", "RobustChannel", "RobustQueue", "RobustExchange"),
    ],
)
def test_a_drop_in_class_is_a_subclass_of_the_clients(name: str) -> None:
    assert issubclass(getattr(dropins, name), getattr(aio_pika, name))


async def test_all_that_a_connection_makes_is_of_the_drop_in_classes(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    made = [channel, queue, channel.default_exchange, await channel.get_exchange("amq.topic"), await fetched(queue)]
    kinds = (
        [dropins.RobustChannel, dropins.RobustQueue, dropins.RobustExchange, dropins.RobustExchange]
        if isinstance(channel, aio_pika.RobustChannel)
        else [dropins.Channel, dropins.Queue, dropins.Exchange, dropins.Exchange]
    )
    assert [type(one) for one in made] == [*kinds, IncomingMessage]


@pytest.mark.parametrize("connects", [aio_pika.connect, aio_pika.connect_robust])
async def test_a_connection_that_was_made_by_the_client_is_traced_from_then_on(
    rabbitmq: str, spans: Spans, connects: Any
) -> None:
    async with await connects(rabbitmq) as connection:
        early = await connection.channel()
        assert ours.instrument(ours.instrument(connection)) is connection
        channel = await connection.channel()
        queue = await declared(channel)
        await publish(channel, queue)
        await consumed(queue, lambda message: message.ack())
        await publish(early, queue)
        ours.uninstrument(connection)
        await publish(await connection.channel(), queue)
        assert type(connection).__module__.startswith("aio_pika.")
    assert [span.name for span in spans.ended] == [name.format(queue) for name in NAMES]


@pytest.mark.parametrize("connects", [aio_pika.connect, aio_pika.connect_robust])
async def test_a_channel_that_was_made_by_the_client_is_traced_from_then_on(
    rabbitmq: str, spans: Spans, connects: Any
) -> None:
    async with await connects(rabbitmq) as connection:
        channel = await connection.channel()
        assert ours.instrument(channel) is channel
        queue = await declared(channel)
        await publish(channel, queue)
        exchange = await channel.get_exchange("amq.topic")
        await exchange.publish(aio_pika.Message(b"value"), "orders")
        async with (await fetched(queue)).process():
            pass
        ours.uninstrument(channel)
        await publish(channel, queue)
    assert [span.name for span in spans.ended] == [
        f"publish {queue}",
        "publish amq.topic:orders",
        f"ack {queue}",
        f"process {queue}",
    ]


async def test_the_classes_of_an_application_keep_what_they_do(rabbitmq: str, spans: Spans) -> None:
    class Orders(aio_pika.Queue):
        async def consume(self, callback: Any, *args: Any, **named: Any) -> Any:
            return await super().consume(callback, *args, **named)

    class Mine(aio_pika.Channel):
        QUEUE_CLASS = Orders

    class Connection(aio_pika.Connection):
        CHANNEL_CLASS = Mine

    async with await aio_pika.connect(rabbitmq, connection_class=Connection) as connection:
        channel = await ours.instrument(connection).channel()
        queue = await declared(channel)
        await publish(channel, queue)
        await consumed(queue, lambda message: message.ack())
    assert isinstance(queue, Orders)
    assert [span.name for span in spans.ended] == [name.format(queue) for name in NAMES]


@pytest.mark.parametrize("other", [None, "channel", object(), aio_pika.Connection])
@pytest.mark.parametrize("verb", [ours.instrument, ours.uninstrument])
def test_what_is_neither_connection_nor_channel_is_refused(verb: Any, other: Any) -> None:
    with pytest.raises(TypeError, match="a connection or a channel of aio-pika"):
        verb(other)


@pytest.mark.parametrize("kind", [aio_pika.Channel, aio_pika.RobustConnection])
def test_a_double_that_says_it_is_one_is_left_as_it_is(kind: Any) -> None:
    double = MagicMock(spec=kind)
    assert ours.uninstrument(ours.instrument(double)) is double


async def test_a_connection_class_of_the_application_is_used(rabbitmq: str) -> None:
    class Mine(ours.Connection):
        pass

    async with await connect(rabbitmq, connection_class=Mine) as connection:
        assert type(connection) is Mine


# Publishing.


async def test_a_published_message_carries_the_send_span(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    sent = context_of(spans.sent[0])
    assert (await fetched(queue)).headers["traceparent"][:-2] == f"00-{sent.trace_id:032x}-{sent.span_id:016x}-"


async def test_the_message_of_the_application_is_not_changed(channel: Any, queue: Any, spans: Spans) -> None:
    headers: Any = {"tenant": "a"}
    message = aio_pika.Message(b"value", headers=headers, message_id="m")
    before = message.info()
    await channel.default_exchange.publish(message, queue.name)
    assert message.headers is headers
    assert headers == {"tenant": "a"}
    assert message.info() == before


async def test_all_properties_go_with_the_context(channel: Any, queue: Any, spans: Spans) -> None:
    fields = {
        "content_type": "text/plain",
        "content_encoding": "utf-8",
        "priority": 3,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": 60.0,
        "message_id": "m",
        "timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "type": "t",
        "app_id": "a",
        "delivery_mode": aio_pika.DeliveryMode.PERSISTENT,
    }
    await publish(channel, queue, **fields)
    received = await fetched(queue)
    assert {name: getattr(received, name) for name in fields} == fields


async def test_headers_of_any_type_survive(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue, headers=FIELDS)
    received = dict((await fetched(queue)).headers)
    received.pop("traceparent")
    assert received == FIELDS


async def test_a_message_of_a_class_of_the_application_is_published(channel: Any, queue: Any, spans: Spans) -> None:
    class Order(aio_pika.Message):
        def __init__(self, number: int) -> None:
            super().__init__(b"")
            self.number = number

        @property
        def properties(self) -> Any:
            found = super().properties
            found.message_id = f"order {self.number}"
            return found

    await channel.default_exchange.publish(Order(7), queue.name)
    received = await fetched(queue)
    assert (received.message_id, "traceparent" in received.headers) == ("order 7", True)


async def test_a_received_message_can_be_published_again(channel: Any, queue: Any, spans: Spans) -> None:
    other = await declared(channel)
    await publish(channel, queue, headers={"tenant": "a"})
    message = await queue.get(no_ack=True)  # the client locks such a message
    before = dict(message.headers)
    with process(message):
        await channel.default_exchange.publish(message, other.name)
    again = await fetched(other)
    assert sorted(again.headers) == ["tenant", "traceparent"]
    assert again.headers["traceparent"] != before["traceparent"]
    assert message.headers == before


async def test_suppressed_instrumentation_publishes_the_message_itself(channel: Any, queue: Any, spans: Spans) -> None:
    with suppress_instrumentation():
        await publish(channel, queue)
    assert "traceparent" not in (await fetched(queue)).headers


async def test_the_send_span_tells_what_is_published(channel: Any, spans: Spans, rabbitmq: str) -> None:
    exchange = await channel.get_exchange("amq.topic")
    message = aio_pika.Message(b"value", message_id="m", correlation_id="c")
    await exchange.publish(message, "orders.eu", mandatory=False)
    url = URL(rabbitmq)
    assert spans.sent[0].name == "publish amq.topic:orders.eu"
    assert attributes(spans.sent[0]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "amq.topic:orders.eu",
        "messaging.rabbitmq.destination.routing_key": "orders.eu",
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": url.host,
        "server.port": url.port,
    }


async def test_a_confirmed_message_is_no_error(channel: Any, queue: Any, spans: Spans) -> None:
    await publish(channel, queue)
    assert spans.sent[0].status.status_code is StatusCode.UNSET


async def test_publish_returns_what_the_client_returns(channel: Any, queue: Any, spans: Spans) -> None:
    confirmation = await channel.default_exchange.publish(aio_pika.Message(b"value"), queue.name)
    assert confirmation.delivery_tag == 1


async def test_a_returned_message_that_is_raised_marks_its_span(channel: Any, spans: Spans) -> None:
    with pytest.raises(aio_pika.exceptions.PublishError):
        await publish(channel, "nowhere")
    assert attributes(spans.sent[0])["error.type"].endswith("PublishError")


async def test_a_returned_message_that_is_not_raised_marks_its_span(rabbitmq: str, spans: Spans) -> None:
    async with await connect(rabbitmq) as connection:
        await publish(await connection.channel(on_return_raises=False), "nowhere")
    assert attributes(spans.sent[0])["error.type"] == "NO_ROUTE"


async def test_a_message_that_the_broker_refuses_marks_its_span(channel: Any, spans: Spans) -> None:
    full = await declared(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    await publish(channel, full)
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await publish(channel, full)
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET, StatusCode.ERROR]


async def test_messages_published_at_once_have_a_span_each(channel: Any, queue: Any, spans: Spans) -> None:
    await asyncio.gather(*(publish(channel, queue) for _ in range(20)))
    carried = {(await fetched(queue)).headers["traceparent"][36:52] for _ in range(20)}
    assert carried == {f"{context_of(span).span_id:016x}" for span in spans.sent}


async def test_a_cancelled_publish_ends_its_span(channel: Any, queue: Any, spans: Spans) -> None:
    task = asyncio.create_task(publish(channel, queue))
    await asyncio.sleep(0)  # it has begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [attributes(span)["error.type"] for span in spans.sent] == ["asyncio.exceptions.CancelledError"]


@pytest.mark.parametrize("headers", [[("a", b"b")], 7])
async def test_headers_that_are_no_mapping_are_the_clients_business(channel: Any, headers: Any, spans: Spans) -> None:
    message = aio_pika.Message(b"value")
    message.headers = headers
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the client raises
        await asyncio.wait_for(channel.default_exchange.publish(message, "orders"), 10)
    assert "unbroken" not in str(caught.traceback[-1].path)


async def test_a_message_without_room_in_its_frame_is_sent_without_a_context(
    channel: Any, queue: Any, spans: Spans
) -> None:
    """The frames of this broker have 128 KiB; it closes the connection over a larger one."""
    await publish(channel, queue, headers={"note": "x" * ((1 << 17) - 100)})
    assert list((await fetched(queue)).headers) == ["note"]
    assert attributes(spans.sent[0])["unbroken.carrier.left_out"] == ("traceparent",)


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


# Settling.


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


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"traceparent": 7},
        {"traceparent": None},
        {"traceparent": {"nested": [PARENT]}},
        {"traceparent": [PARENT]},
        {"traceparent": PARENT.upper()},
        {"tracestate": {"a": 1}, "baggage": 7},
        {"x-death": "text"},
        {"x-death": [7, None, "text"]},
        {"x-death": [{"count": "many", "queue": 7}]},
        {"x-delivery-count": "two"},
        {f"header-{number}": "value" for number in range(1200)},
    ],
    ids=repr,
)
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


# The same list of patches on the classes.


@pytest.fixture
def patched() -> Iterator[None]:
    """The classes of the client, as zero-code instrumentation patches them."""
    install(ZERO_CODE.patches())
    ZERO_CODE.switch.start()
    yield
    ZERO_CODE.switch.stop()
    uninstall(ZERO_CODE.patches())


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
