"""pika: channels of a BlockingConnection."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika

from tests.contract.clients.driver import Client, Pairs, Reader
from unbroken.clients import pika as our_pika

QUEUE: dict[str, Any] = {"arguments": {"x-expires": 600_000}}
"""A queue that the broker deletes when the test is long over."""


class PikaReader(Reader):
    """Reads by `basic_get`, and acknowledges nothing: another reader begins at the beginning."""

    def __init__(self, consumer: Any, queue: str, plain: bool) -> None:
        self.consumer = consumer
        self.queue = queue
        self.plain = plain

    def some(self, limit: int) -> list[Any]:
        found = [message for _ in range(limit) if (message := self._next()) is not None]
        if not found:
            self.consumer.connection.process_data_events(0.05)
        return found

    def _next(self) -> Any:
        if not self.plain:
            return our_pika.get(self.consumer, self.queue)
        method, properties, body = self.consumer.basic_get(self.queue)
        return None if method is None else our_pika.Delivery(self.consumer, method, properties, body, self.queue)


class Pika(Client):
    name = "pika"
    servers = ("rabbitmq",)
    wire = "amqp"
    sending = "publish"
    receiving = "consume"
    refuses = (AttributeError, TypeError)  # which, depends on the version

    @functools.cached_property
    def connection(self) -> Any:
        parameters = pika.URLParameters(self.address)
        parameters.heartbeat = 0  # nobody serves this connection while the other clients are tested
        connection = pika.BlockingConnection(parameters)
        self.closing.callback(connection.close)
        return connection

    @functools.cached_property
    def channel(self) -> Any:
        channel = our_pika.instrument(self.connection.channel())
        channel.confirm_delivery()
        return channel

    @functools.cached_property
    def plain_channel(self) -> Any:
        channel = self.connection.channel()
        channel.confirm_delivery()
        return channel

    @functools.cached_property
    def declared(self) -> set[str]:
        return set()

    def declare(self, queue: str) -> None:
        if queue not in self.declared:
            self.plain_channel.queue_declare(queue, **QUEUE)
            self.declared.add(queue)

    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        self.declare(destination)
        self.channel.basic_publish("", destination, value, pika.BasicProperties(headers=headers))

    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        self.declare(destination)
        self.plain_channel.basic_publish("", destination, value, pika.BasicProperties(headers=headers))

    def flush(self) -> None:
        """Nothing: in confirm mode a publish returns when the broker has answered."""

    @contextmanager
    def reader(self, destination: str, *, plain: bool = False) -> Iterator[Reader]:
        self.declare(destination)
        channel = self.connection.channel()
        if not plain:
            our_pika.instrument(channel)
        try:
            yield PikaReader(channel, destination, plain)
        finally:
            channel.close()

    def value(self, message: Any) -> Any:
        return message.body

    def as_received(self, message: Any) -> Any:
        return message.properties.headers

    def pairs(self, message: Any) -> Pairs:
        return list((message.properties.headers or {}).items())

    def given(self, pairs: Sequence[tuple[str, bytes]]) -> Any:
        return {name: value.decode() for name, value in pairs}

    def server(self) -> str:
        parameters = pika.URLParameters(self.address)
        return f"{parameters.host}:{parameters.port}"
