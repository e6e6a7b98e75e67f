"""aio-pika: connections, and robust connections."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import aio_pika
from yarl import URL

from tests.contract.clients.driver import Client, OnLoop, Pairs, Reader
from tests.contract.clients.pika import QUEUE
from unbroken.clients import aio_pika as our_aio_pika


async def opened(connection: Any) -> Any:
    """A channel, which can be made only while the loop runs."""
    return await connection.channel()


class AioPikaReader(Reader):
    """Reads by `get`, and acknowledges nothing: another reader begins at the beginning."""

    def __init__(self, client: OnLoop, consumer: Any) -> None:
        self.client = client
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        return self.client.run(self._some(limit))

    async def _some(self, limit: int) -> list[Any]:
        messages: list[Any] = []
        while len(messages) < limit and (message := await self.consumer.get(fail=False)) is not None:
            messages.append(message)
        return messages


class AioPika(OnLoop, Client):
    name = "aio-pika"
    servers = ("rabbitmq",)
    wire = "amqp"
    sending = "publish"
    receiving = "consume"
    refuses = (TypeError,)
    connects: ClassVar[Any] = staticmethod(our_aio_pika.connect)
    connects_plain: ClassVar[Any] = staticmethod(aio_pika.connect)

    def _connected(self, connects: Any) -> Any:
        # Nobody serves this connection while the other clients are tested.
        connection = self.run(connects(str(URL(self.address).update_query(heartbeat=0))))
        self.closing.callback(lambda: self.run(connection.close()))
        return connection

    @functools.cached_property
    def connection(self) -> Any:
        return self._connected(self.connects)

    @functools.cached_property
    def plain_connection(self) -> Any:
        return self._connected(self.connects_plain)

    @functools.cached_property
    def channel(self) -> Any:
        return self.run(opened(self.connection))

    @functools.cached_property
    def plain_channel(self) -> Any:
        return self.run(opened(self.plain_connection))

    @functools.cached_property
    def declared(self) -> set[str]:
        return set()

    def declare(self, queue: str) -> None:
        if queue not in self.declared:
            self.run(self.plain_channel.declare_queue(queue, **QUEUE))
            self.declared.add(queue)

    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        self.declare(destination)
        message = aio_pika.Message(b"", headers=headers)
        message.body = value  # not in the constructor, which refuses what is no octets before it is published
        self.run(self.channel.default_exchange.publish(message, destination))

    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        self.declare(destination)
        message = aio_pika.Message(value, headers=headers)
        self.run(self.plain_channel.default_exchange.publish(message, destination))

    @contextmanager
    def reader(self, destination: str, *, plain: bool = False) -> Iterator[Reader]:
        self.declare(destination)
        channel = self.run(opened(self.plain_connection if plain else self.connection))
        try:
            yield AioPikaReader(self, self.run(channel.get_queue(destination, ensure=False)))
        finally:
            self.run(channel.close())

    def value(self, message: Any) -> Any:
        return message.body

    def as_received(self, message: Any) -> Any:
        return message.headers

    def pairs(self, message: Any) -> Pairs:
        return list(message.headers.items())

    def given(self, pairs: Sequence[tuple[str, bytes]]) -> Any:
        return {name: value.decode() for name, value in pairs}

    def server(self) -> str:
        url = URL(self.address)
        return f"{url.host}:{url.port}"


class AioPikaRobust(AioPika):
    name = "aio-pika-robust"
    connects = staticmethod(our_aio_pika.connect_robust)
    connects_plain = staticmethod(aio_pika.connect_robust)
