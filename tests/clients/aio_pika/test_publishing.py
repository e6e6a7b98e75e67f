"""aio-pika: publishing, with publisher confirms."""

import asyncio
from datetime import datetime, timezone
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import StatusCode
from yarl import URL

from tests.clients.aio_pika.queues import FIELDS, declared, fetched, publish
from tests.clients.rabbitmq import attributes
from tests.contract.conftest import Spans, context_of
from unbroken import process
from unbroken.clients.aio_pika import connect


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
