"""aio-pika: the drop-in classes, and `instrument`."""

from typing import Any
from unittest.mock import MagicMock

import aio_pika
import aio_pika.exceptions
import pytest

from tests.clients.aio_pika.queues import NAMES, consumed, declared, fetched, publish
from tests.contract.conftest import Spans
from unbroken.clients import aio_pika as ours
from unbroken.clients.aio_pika import connect, dropins
from unbroken.clients.aio_pika.incoming import IncomingMessage


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
