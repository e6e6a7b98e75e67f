"""What is no message, the double of a test or an object of another library, is handed on: nothing is lost or logged."""

import asyncio
import copy
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import aio_pika
import boto3
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from tests.clients.instrumented import instrumented
from tests.contract.conftest import Spans
from unbroken import forward, process
from unbroken.clients import aio_pika as our_aio_pika
from unbroken.clients import pika as our_pika
from unbroken.clients.aio_pika.zero_code import ZERO_CODE as AIO_PIKA
from unbroken.clients.boto3 import instrument
from unbroken.clients.patches import ZeroCode
from unbroken.clients.pika import Delivery, traced
from unbroken.clients.pika.zero_code import ZERO_CODE as PIKA
from unbroken.errors import UnknownMessage

pytestmark = pytest.mark.usefixtures("nothing_logged")


@pytest.fixture
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The log of unbroken, which stays empty."""
    caplog.set_level(logging.WARNING, "unbroken")
    yield
    assert [entry.getMessage() for entry in caplog.records if entry.name == "unbroken"] == []


@pytest.fixture(params=[False, True], ids=["drop-ins", "zero-code"])
def is_patched(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the classes of the clients are those of zero code."""
    descriptors: list[ZeroCode] = [PIKA, AIO_PIKA] if request.param else []
    with instrumented(*descriptors):
        yield request.param


class Foreign(AbstractIncomingMessage):
    """A message of another library, which says that it is one of aio-pika's."""


Foreign.__abstractmethods__ = frozenset()
FOREIGN: Any = Foreign
MESSAGES = [None, "text", object(), MagicMock(), Mock(spec=[]), SimpleNamespace(body=b""), FOREIGN()]


# pika


@pytest.mark.parametrize("method", [None, MagicMock(), SimpleNamespace(delivery_tag=1), "text"])
@pytest.mark.parametrize("properties", [None, MagicMock(), SimpleNamespace(headers=None), BasicProperties()])
def test_a_callback_of_pika_runs_with_any_double(method: Any, properties: Any, spans: Spans) -> None:
    seen: list[Any] = []
    traced(lambda *pieces: seen.append(pieces))(None, method, properties, b"value")
    assert seen == [(None, method, properties, b"value")]
    assert spans.ended == []


def test_a_callback_of_pika_is_given_what_its_caller_gives(spans: Spans) -> None:
    def callback(channel: Any, method: Any = None, *, body: Any = None) -> Any:
        return channel, method, body

    assert traced(callback)("channel", body=b"value") == ("channel", None, b"value")  # type: ignore[arg-type,call-arg]


def test_a_delivery_of_a_double_channel_has_no_attribute_without_a_value(spans: Spans) -> None:
    method, properties = Basic.Deliver(), BasicProperties()
    for channel in (None, MagicMock(), Mock(spec=BlockingChannel), object()):
        traced(lambda *_: None)(channel, method, properties, b"value")
    for span in spans.processed:
        assert dict(span.attributes or {}) == {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
        }
        assert span.name == "process"
    assert len(spans.processed) == 4
    forwarded: Any = forward(Delivery(None, method, properties, b""))
    assert forwarded["unbroken-source"] == ""


def test_properties_of_another_class_are_sent_as_they_are(spans: Spans) -> None:
    sent: list[Any] = []

    class Recorded(BlockingChannel):  # type: ignore[misc]
        def __init__(self) -> None:
            """Without a connection."""

        def __del__(self) -> None:
            """Nothing to close."""

        def basic_publish(self, *given: Any) -> None:
            sent.append(given)

    double = MagicMock(spec=BasicProperties)
    our_pika.instrument(Recorded()).basic_publish("shop", "orders", b"value", double)
    assert sent == [("shop", "orders", b"value", double, False)]
    assert spans.ended == []


@pytest.mark.parametrize("given", [None, (None, None, None), (MagicMock(), MagicMock(), b""), MagicMock(), ("a",)])
def test_what_a_replaced_basic_get_gives_is_handed_on(
    given: Any, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BlockingChannel, "basic_get", lambda *_: given)
    monkeypatch.setattr(BlockingChannel, "consume", lambda *_: iter([given, given]))
    channel = object.__new__(BlockingChannel)
    monkeypatch.setattr(BlockingChannel, "__del__", lambda _: None, raising=False)
    with instrumented(PIKA):
        assert channel.basic_get("orders") is given
        assert list(channel.consume("orders")) == [given, given]
    assert spans.ended == []


def test_process_by_hand_still_refuses_what_is_no_message() -> None:
    for message in MESSAGES:
        with pytest.raises(UnknownMessage):
            process(message)


def test_a_callback_is_found_by_whoever_looks_for_it() -> None:
    def callback(*pieces: Any) -> None:
        """Handle an order."""

    callback.priority = 1  # type: ignore[attr-defined]
    found: Any = traced(callback)
    assert found == callback
    assert callback == found
    assert found == traced(callback)
    assert found != print
    assert {found: 1}[callback] == 1
    assert (found.__doc__, found.__name__, found.priority) == ("Handle an order.", "callback", 1)
    assert copy.copy(found) == callback
    assert traced(found) is found


# aio-pika


class Queue(aio_pika.Queue):
    """A queue without a connection, which keeps its callback."""

    def __init__(self) -> None:
        self.name = "orders"

    async def consume(self, callback: Any, *args: Any, **named: Any) -> Any:
        self.arguments = callback
        return "tag"

    async def get(self, *args: Any, **named: Any) -> Any:
        return self.arguments


@pytest.fixture
async def queue(is_patched: bool) -> Any:
    """The same, traced."""
    return our_aio_pika.instrument(Queue())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
async def test_a_callback_of_aio_pika_runs_with_any_double(message: Any, queue: Any, spans: Spans) -> None:
    seen: list[Any] = []

    async def callback(message: Any) -> str:
        await asyncio.sleep(0)
        seen.append(message)
        return "handled"

    await queue.consume(callback)
    assert await queue.arguments(message) == "handled"
    queue.arguments = message
    assert await queue.get() is message
    assert [id(one) for one in seen] == [id(message)]
    assert spans.ended == []


async def test_a_callback_of_aio_pika_runs_with_a_message_of_doubles(queue: Any, spans: Spans) -> None:
    delivered = MagicMock()
    delivered.header.properties.headers = None
    delivered.header.properties.expiration = None
    delivered.header.properties.timestamp = None
    message = aio_pika.IncomingMessage(delivered)
    seen: list[Any] = []

    async def callback(message: Any) -> None:
        seen.append(message)

    await queue.consume(callback)
    await queue.arguments(message)
    assert seen == [message]
    found = dict(spans.processed[0].attributes or {})
    for name in ("messaging.message.id", "messaging.message.conversation_id"):
        found.pop(name)  # the client itself makes them a text
    assert set(found.values()) == {"rabbitmq", "process", "orders"}  # the queue's own name


@pytest.mark.parametrize("message", [MagicMock(), MagicMock(spec=aio_pika.Message), b"value", None])
async def test_what_is_no_message_is_published_as_it_is(message: Any, spans: Spans) -> None:
    sent: list[Any] = []

    class Exchange(aio_pika.Exchange):
        def __init__(self) -> None:
            self.name = "shop"

        async def publish(self, message: Any, routing_key: str, **named: Any) -> Any:
            sent.append(message)

    await our_aio_pika.instrument(Exchange()).publish(message, "orders")
    assert [id(one) for one in sent] == [id(message)]
    assert spans.ended == []


# SQS


@pytest.mark.parametrize("messages", [None, [], [MagicMock()], ["text"], [{"Body": "b"}, None], "text", MagicMock()])
def test_what_no_service_gives_is_handed_on(messages: Any, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"Messages": messages}
    client: Any = boto3.client(
        "sqs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test", endpoint_url="http://x"
    )
    monkeypatch.setattr(client._endpoint, "make_request", lambda *_: (Mock(status_code=200), given))
    assert instrument(client).receive_message(QueueUrl="http://x/orders") is given
    assert given["Messages"] is messages
    assert spans.ended == []
    client.close()


@pytest.mark.parametrize("kind", [Channel, BlockingChannel, pika.BlockingConnection])
def test_the_clients_own_classes_are_as_they_were(kind: Any) -> None:
    assert not [name for name in vars(kind) if "unbroken" in name]
