"""FastStream on RabbitMQ: one trace through producer, handler, retry and dead letters; acknowledged as without us."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from faststream import AckPolicy
from faststream.rabbit import RabbitBroker, RabbitExchange, RabbitQueue
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from tests.frameworks.faststream.conftest import Message, Seen, context_headers, named, parent_of, trace_of
from unbroken import process
from unbroken.frameworks.faststream import UnbrokenMiddleware, forward
from unbroken.testing import Spans

tracer = trace.get_tracer("shop")


@pytest.fixture
def broker(rabbitmq: str) -> Any:
    """A broker with the middleware."""
    return RabbitBroker(rabbitmq, middlewares=[UnbrokenMiddleware], logger=None)


@pytest.fixture
def orders() -> str:
    """A queue that no other test knows."""
    return f"orders-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def outside(rabbitmq: str) -> AsyncIterator[Any]:
    """A channel of a program without FastStream."""
    async with await aio_pika.connect(rabbitmq) as connection:
        yield await connection.channel()


async def test_producer_handler_retry_and_dead_letter_are_one_trace(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    retries, dead = f"{orders}.retry", f"{orders}.dead"

    @broker.subscriber(orders)
    async def handle(body: str, message: Message) -> None:
        await broker.publish(body, retries, headers=forward(message, error=TimeoutError("the bank")))

    @broker.subscriber(retries)
    async def again(body: str, message: Message) -> None:
        await broker.publish(body, dead, headers=forward(message, error=ValueError("still")))

    @broker.subscriber(dead)
    async def bury(body: str, message: Message) -> None:
        seen.note(message.headers)

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            await broker.publish("1", orders, headers={"user": "yes"})
        (headers,) = await seen.arrived(1)
    assert headers["user"] == "yes"
    assert headers["unbroken-attempt"] == "2"
    assert headers["unbroken-error"] == "ValueError: still"
    parent = order.get_span_context().span_id
    steps = [f"{step} {queue}" for queue in (orders, retries, dead) for step in ("publish", "process")]
    for step in steps:
        (span,) = named(spans, step)
        assert (trace_of(span), parent_of(span)) == (trace_of(order), parent), step
        parent = span.get_span_context().span_id


async def test_a_message_that_the_broker_dead_letters_keeps_its_trace(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    dead = f"{orders}.dead"
    arguments: Any = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}

    @broker.subscriber(RabbitQueue(orders, arguments=arguments), ack_policy=AckPolicy.REJECT_ON_ERROR)
    async def handle(body: str) -> None:
        raise ValueError("poison")

    @broker.subscriber(dead)
    async def bury(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            await broker.publish("1", orders)
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_of(order)
    (buried,) = named(spans, f"process {dead}")
    assert buried.attributes["unbroken.message.death.reason"] == "rejected"
    (failed,) = named(spans, f"process {orders}")
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "ValueError")


async def test_a_message_given_back_is_handled_again_in_its_trace(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    @broker.subscriber(orders, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(body: str, message: Message) -> None:
        seen.note()
        if not message.raw_message.redelivered:
            raise TimeoutError("the bank")

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            await broker.publish("1", orders)
        assert {trace_of(span) for span in await seen.arrived(2)} == {trace_of(order)}
    first, second = named(spans, f"process {orders}")
    assert "unbroken.message.redelivered" not in first.attributes
    assert second.attributes["unbroken.message.redelivered"] is True


BAD: list[dict[str, Any]] = [
    {"traceparent": bytearray(b"\xff\xfe")},
    {"traceparent": None},
    {"traceparent": 7},
    {"traceparent": {"nested": ["table"]}},
    {"baggage": 7, "tracestate": bytearray(b"\xff")},
]


@pytest.mark.parametrize("headers", BAD, ids=str)
async def test_a_bad_header_hides_no_message_from_its_handler(
    broker: Any, outside: Any, orders: str, spans: Spans, seen: Seen, headers: dict[str, Any]
) -> None:
    @broker.subscriber(orders)
    async def handle(body: str, message: Message) -> None:
        seen.note((body, message.headers))

    async with broker:
        await broker.start()
        message = aio_pika.Message(b"one", headers=headers, content_type="text/plain")
        await outside.default_exchange.publish(message, orders)
        ((body, given),) = await seen.arrived(1)
    assert (body, given.keys()) == ("one", headers.keys())


async def test_a_message_of_another_program_is_handled_in_its_trace(
    broker: Any, outside: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    @broker.subscriber(orders)
    async def handle(body: str) -> None:
        seen.note()

    trace_id, ((_, value),) = context_headers()
    async with broker:
        await broker.start()
        message = aio_pika.Message(b"one", headers={"Traceparent": value.decode()})
        await outside.default_exchange.publish(message, orders)
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_id


async def test_a_request_its_handler_and_its_reply_are_one_trace(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    @broker.subscriber(orders)
    async def handle(body: str) -> str:
        return "paid"

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            reply = await broker.request("1", orders, timeout=10)
            assert trace.get_current_span() is order
    assert reply.headers["traceparent"].split("-")[1] == f"{trace_of(order):032x}"
    assert {trace_of(span) for span in spans.finished} == {trace_of(order)}
    assert len([span for span in spans.finished if span.kind is SpanKind.CONSUMER]) == 1


async def test_a_request_of_a_handler_opens_no_block_for_the_reply(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    bank = f"{orders}.bank"

    @broker.subscriber(bank)
    async def pay(body: str) -> str:
        return "paid"

    @broker.subscriber(orders)
    async def handle(body: str) -> None:
        inside = trace.get_current_span()
        await broker.request("1", bank, timeout=10)
        seen.note(trace.get_current_span() is inside)

    async with broker:
        await broker.start()
        await broker.publish("1", orders)
        assert await seen.arrived(1) == [True]
    consumed = [span.name for span in spans.finished if span.kind is SpanKind.CONSUMER]
    assert consumed == [f"process {bank}", f"process {orders}"]


async def test_a_message_of_the_client_is_published_with_the_context_and_stays_as_it_is(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    @broker.subscriber(orders)
    async def handle(body: str, message: Message) -> None:
        seen.note(message.headers)

    message = aio_pika.Message(b"one", headers={"user": "yes"})
    async with broker:
        await broker.start()
        await broker.publish(message, orders)
        (headers,) = await seen.arrived(1)
    (sent,) = named(spans, f"publish {orders}")
    assert (headers["user"], headers["traceparent"].split("-")[2]) == (
        "yes",
        f"{sent.get_span_context().span_id:016x}",
    )
    assert message.headers == {"user": "yes"}


async def test_the_spans_name_exchange_and_routing_key(broker: Any, orders: str, spans: Spans, seen: Seen) -> None:
    exchange = RabbitExchange(f"{orders}.exchange", auto_delete=True)

    @broker.subscriber(RabbitQueue(orders, routing_key="eu"), exchange)
    async def handle(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        await broker.publish("1", exchange=exchange, routing_key="eu", message_id="7")
        await seen.arrived(1)
    (sent,) = named(spans, f"publish {orders}.exchange:eu")
    assert sent.attributes["messaging.rabbitmq.destination.routing_key"] == "eu"
    assert sent.attributes["messaging.message.id"] == "7"
    (handled,) = [span for span in spans.finished if span.kind is SpanKind.CONSUMER]
    assert handled.name.startswith(f"process {orders}.exchange:eu")


async def test_the_block_of_the_same_message_in_the_handler_is_the_same_block(
    broker: Any, orders: str, spans: Spans, seen: Seen
) -> None:
    @broker.subscriber(orders)
    async def handle(body: str, message: Message) -> None:
        with process(message.raw_message) as inside:
            seen.note(inside)

    async with broker:
        await broker.start()
        await broker.publish("1", orders)
        await seen.arrived(1)
    assert [span.name for span in spans.finished] == [f"publish {orders}", f"process {orders}"]
