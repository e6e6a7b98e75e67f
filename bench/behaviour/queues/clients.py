"""The clients as the scenarios use them, each in the way of its documentation.

A handler is a coroutine; those of a synchronous client are driven to their end in place, since they wait for nothing.
Every call is awaited in place, never in a task of its own, so what a contender attaches is seen by the scenario.
"""

# ruff: noqa: D102 - what the methods do stands once, at `Client`

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bench.contenders import BOTOCORE, CONTRIB, OURS
from bench.filling import SQS_ACCESS

ACK, REQUEUE, REJECT = "ack", "requeue", "reject"
Outcome = Literal["ack", "requeue", "reject"]

SECONDS = 5.0
"""How long a message may take to come."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the hands of a handler: `headers` are the client's own object."""

    value: bytes
    headers: Any
    raw: Any


Handler = Callable[[Message], Awaitable[Outcome]]


class Client(Protocol):
    """A client of RabbitMQ or SQS, switched on for a contender."""

    async def consume(self, queue: str, count: int, handler: Handler) -> None:
        """Handle so many messages in a callback, or in the loop where there are none; what it returns settles them."""

    async def open(self, queue: str) -> Any:
        """Return a loop over a queue."""

    async def one(self, loop: Any) -> Message:
        """Return the next message of the loop."""

    async def leave(self, loop: Any) -> None:
        """Leave the loop by `break`."""

    def block(self, message: Message) -> AbstractContextManager[object]:
        """Return what a user of the contender writes around the body of the loop."""

    async def send(self, queue: str, headers: Any) -> None:
        """Publish a message and wait until the broker has it."""

    def given(self, headers: dict[str, str]) -> Any:
        """Return headers as an application gives them."""

    def forwarded(self, message: Message) -> Any:
        """Return the headers to publish a message again with: the received ones, ours: those of `forward`."""

    def trace(self, message: Message) -> str:
        """Return the trace that the message's headers name."""

    async def wire(self, queue: str) -> dict[str, Any]:
        """Return the headers of the next message of a queue, as text."""

    async def close(self) -> None:
        """Close the connection."""


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a synchronous client waited")


class Pika:
    """pika's BlockingConnection."""

    def __init__(self, address: str, contender: str) -> None:
        import pika

        self._pika = pika
        self._ours = contender == OURS
        self._connection = pika.BlockingConnection(pika.URLParameters(address))
        self._channel = self._opened()

    def _opened(self) -> Any:
        channel = self._connection.channel()
        if self._ours:
            from unbroken.clients.pika import instrument

            channel = instrument(channel)
        return channel

    async def consume(self, queue: str, count: int, handler: Handler) -> None:
        left = count

        def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            nonlocal left
            outcome = drive(handler(Message(body, properties.headers, (channel, method, properties, body))))
            if outcome == ACK:
                channel.basic_ack(method.delivery_tag)
            else:
                channel.basic_nack(method.delivery_tag, requeue=outcome == REQUEUE)
            left -= 1
            if not left:
                channel.stop_consuming()

        channel = self._opened()
        channel.basic_qos(prefetch_count=count)
        channel.basic_consume(queue, handle)
        timeout = self._connection.call_later(SECONDS, channel.stop_consuming)
        try:
            channel.start_consuming()
        finally:
            self._connection.remove_timeout(timeout)
            channel.close()

    async def open(self, queue: str) -> Any:
        return self._opened().consume(queue, auto_ack=True, inactivity_timeout=SECONDS)

    async def one(self, loop: Any) -> Message:
        method, properties, body = next(loop)
        return Message(body, properties.headers, (None, method, properties, body))

    async def leave(self, loop: Any) -> None:
        loop.close()

    def block(self, message: Message) -> AbstractContextManager[object]:  # noqa: ARG002
        return nullcontext()

    async def send(self, queue: str, headers: Any) -> None:
        self._channel.basic_publish("", queue, b"paid", self._pika.BasicProperties(headers=headers))

    def given(self, headers: dict[str, str]) -> Any:
        return dict(headers)

    def forwarded(self, message: Message) -> Any:
        if self._ours:
            from unbroken import forward
            from unbroken.clients.pika import Delivery

            return forward(Delivery(*message.raw))
        return message.headers

    def trace(self, message: Message) -> str:
        return _trace(message.headers["traceparent"])

    async def wire(self, queue: str) -> dict[str, Any]:
        _, properties, _ = self._channel.basic_get(queue, auto_ack=True)
        return dict(properties.headers or {})

    async def close(self) -> None:
        self._connection.close()


class AioPika:
    """aio-pika."""

    def __init__(self, address: str, contender: str) -> None:
        self._address = address
        self._ours = contender == OURS
        self._connection: Any = None

    async def _channel(self) -> Any:
        if self._connection is None:
            import aio_pika

            connect: Any = aio_pika.connect_robust
            if self._ours:
                from unbroken.clients.aio_pika import connect_robust as connect
            self._connection = await connect(self._address)
        return await self._connection.channel()

    async def consume(self, queue: str, count: int, handler: Handler) -> None:
        left, finished = count, asyncio.Event()

        async def handle(message: Any) -> None:
            nonlocal left
            if not left:  # it came again before the consumer was cancelled
                await message.reject(requeue=True)
                return
            try:
                async with message.process(ignore_processed=True):
                    outcome = await handler(Message(message.body, message.headers, message))
                    if outcome != ACK:
                        await message.reject(requeue=outcome == REQUEUE)
            finally:
                left -= 1
                if not left:
                    finished.set()

        channel = await self._channel()
        await channel.set_qos(count)
        found = await channel.get_queue(queue)
        tag = await found.consume(handle)
        try:
            await asyncio.wait_for(finished.wait(), SECONDS)
        finally:
            await found.cancel(tag)
            await channel.close()

    async def open(self, queue: str) -> Any:
        found = await (await self._channel()).get_queue(queue)
        return found.iterator(no_ack=True, timeout=SECONDS)

    async def one(self, loop: Any) -> Message:
        message = await loop.__anext__()
        return Message(message.body, message.headers, message)

    async def leave(self, loop: Any) -> None:
        await loop.close()

    def block(self, message: Message) -> AbstractContextManager[object]:
        return _process(message) if self._ours else nullcontext()

    async def send(self, queue: str, headers: Any) -> None:
        import aio_pika

        channel = await self._channel()
        await channel.default_exchange.publish(aio_pika.Message(b"paid", headers=headers), queue)

    def given(self, headers: dict[str, str]) -> Any:
        return dict(headers)

    def forwarded(self, message: Message) -> Any:
        return _forward(message) if self._ours else message.headers

    def trace(self, message: Message) -> str:
        return _trace(message.headers["traceparent"])

    async def wire(self, queue: str) -> dict[str, Any]:
        message = await (await (await self._channel()).get_queue(queue)).get(no_ack=True)
        return dict(message.headers)

    async def close(self) -> None:
        await self._connection.close()


class FastStream:
    """FastStream's RabbitBroker; contrib is its own telemetry middleware."""

    def __init__(self, address: str, contender: str) -> None:
        self._address = address
        self._middlewares: tuple[Any, ...] = ()
        self._ours = contender == OURS
        if self._ours:
            from unbroken.frameworks.faststream import UnbrokenMiddleware

            self._middlewares = (UnbrokenMiddleware,)
        elif contender == CONTRIB:
            from faststream.rabbit.opentelemetry import RabbitTelemetryMiddleware

            self._middlewares = (RabbitTelemetryMiddleware(),)
        self._brokers: list[Any] = []

    def _broker(self, count: int = 1) -> Any:
        from faststream.rabbit import Channel, RabbitBroker

        broker = RabbitBroker(
            self._address,
            middlewares=self._middlewares,
            default_channel=Channel(prefetch_count=count),
            graceful_timeout=SECONDS,
            logger=None,
        )
        self._brokers.append(broker)
        return broker

    async def consume(self, queue: str, count: int, handler: Handler) -> None:
        from faststream.exceptions import NackMessage, RejectMessage
        from faststream.rabbit import RabbitMessage, RabbitQueue

        left, finished = count, asyncio.Event()
        broker = self._broker(count)

        @broker.subscriber(RabbitQueue(queue, declare=False))
        async def handle(message: RabbitMessage) -> None:
            nonlocal left
            if not left:  # it came again before the broker was stopped
                raise NackMessage
            try:
                outcome = await handler(Message(message.body, message.headers, message))
                if outcome != ACK:
                    raise NackMessage if outcome == REQUEUE else RejectMessage
            finally:
                left -= 1
                if not left:
                    finished.set()

        await broker.start()
        try:
            await asyncio.wait_for(finished.wait(), SECONDS)
        finally:
            await broker.stop()

    async def open(self, queue: str) -> Any:
        raise NotImplementedError(queue)

    async def one(self, loop: Any) -> Message:
        raise NotImplementedError(loop)

    async def leave(self, loop: Any) -> None:
        raise NotImplementedError(loop)

    def block(self, message: Message) -> AbstractContextManager[object]:
        raise NotImplementedError(message)

    async def send(self, queue: str, headers: Any) -> None:
        broker = self._broker()
        await broker.start()
        await broker.publish(b"paid", queue, headers=headers)
        await broker.stop()

    def given(self, headers: dict[str, str]) -> Any:
        return dict(headers)

    def forwarded(self, message: Message) -> Any:
        if self._ours:
            from unbroken.frameworks.faststream import forward

            return forward(message.raw)
        return message.headers

    def trace(self, message: Message) -> str:
        return _trace(message.headers["traceparent"])

    async def wire(self, queue: str) -> dict[str, Any]:
        import aio_pika

        async with await aio_pika.connect(self._address) as connection:
            message = await (await (await connection.channel()).get_queue(queue)).get(no_ack=True)
            return dict(message.headers)

    async def close(self) -> None:
        """Nothing is open."""


class _Sqs:
    """What SQS is like with either client; `call` makes a call."""

    def __init__(self, ours: bool) -> None:
        self._ours = ours

    async def call(self, operation: str, **parameters: Any) -> Any:
        raise NotImplementedError

    async def _url(self, queue: str) -> str:
        url: str = (await self.call("get_queue_url", QueueName=queue))["QueueUrl"]
        return url

    async def consume(self, queue: str, count: int, handler: Handler) -> None:
        url, left, empty = await self._url(queue), count, 0
        while left > 0 and empty < 3:
            found = await self._received(url)
            empty += not found
            for raw in found:
                message = _sqs_message(raw)
                with self.block(message):
                    outcome = await handler(message)
                    if outcome == ACK:
                        await self.call("delete_message", QueueUrl=url, ReceiptHandle=raw["ReceiptHandle"])
                    else:
                        await self.call(
                            "change_message_visibility",
                            QueueUrl=url,
                            ReceiptHandle=raw["ReceiptHandle"],
                            VisibilityTimeout=0,
                        )
                left -= 1
                if not left:
                    break

    async def open(self, queue: str) -> Any:
        return _Loop(await self._url(queue))

    async def one(self, loop: Any) -> Message:
        if loop.messages is None:
            loop.messages = iter(await self._received(loop.url))
        return _sqs_message(next(loop.messages))

    async def leave(self, loop: Any) -> None:
        loop.messages = None

    def block(self, message: Message) -> AbstractContextManager[object]:
        return _process(message) if self._ours else nullcontext()

    async def send(self, queue: str, headers: Any) -> None:
        await self.call("send_message", QueueUrl=await self._url(queue), MessageBody="paid", MessageAttributes=headers)

    def given(self, headers: dict[str, str]) -> Any:
        return {name: {"DataType": "String", "StringValue": value} for name, value in headers.items()}

    def forwarded(self, message: Message) -> Any:
        return _forward(message) if self._ours else message.headers

    def trace(self, message: Message) -> str:
        return _trace(message.headers["traceparent"]["StringValue"])

    async def wire(self, queue: str) -> dict[str, Any]:
        (raw,) = await self._received(await self._url(queue))
        return {name: each.get("StringValue") for name, each in raw.get("MessageAttributes", {}).items()}

    async def _received(self, url: str) -> Any:
        found = await self.call(
            "receive_message",
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            WaitTimeSeconds=1,
        )
        return found.get("Messages", [])


class Boto3(_Sqs):
    """boto3."""

    def __init__(self, address: str, contender: str) -> None:
        import boto3

        super().__init__(contender == OURS)
        self._client = boto3.client("sqs", endpoint_url=address, **SQS_ACCESS)
        if contender == OURS:
            from unbroken.clients.boto3 import instrument

            instrument(self._client)

    async def call(self, operation: str, **parameters: Any) -> Any:
        return getattr(self._client, operation)(**parameters)

    async def close(self) -> None:
        self._client.close()


class Aiobotocore(_Sqs):
    """aiobotocore."""

    def __init__(self, address: str, contender: str) -> None:
        super().__init__(contender == OURS)
        self._address = address
        self._opening: Any = None
        self._client: Any = None

    async def call(self, operation: str, **parameters: Any) -> Any:
        if self._client is None:
            from aiobotocore.session import get_session

            self._opening = get_session().create_client("sqs", endpoint_url=self._address, **SQS_ACCESS)
            self._client = await self._opening.__aenter__()
            if self._ours:
                from unbroken.clients.aiobotocore import instrument

                instrument(self._client)
        return await getattr(self._client, operation)(**parameters)

    async def close(self) -> None:
        await self._opening.__aexit__(None, None, None)


@dataclass(slots=True)
class _Loop:
    """A loop over what a queue of SQS gives."""

    url: str
    messages: Any = None


def _trace(traceparent: str) -> str:
    return traceparent[3:35]


def _sqs_message(raw: Any) -> Message:
    return Message(raw["Body"].encode(), raw.get("MessageAttributes", {}), raw)


def _process(message: Message) -> AbstractContextManager[object]:
    from unbroken import process

    return process(message.raw)


def _forward(message: Message) -> Any:
    from unbroken import forward

    return forward(message.raw)


CLIENTS: dict[str, Callable[[str, str], Client]] = {
    "pika": Pika,
    "aio-pika": AioPika,
    "faststream": FastStream,
    "boto3": Boto3,
    "aiobotocore": Aiobotocore,
}

RABBITMQ = ("pika", "aio-pika", "faststream")
SQS = ("boto3", "aiobotocore")

CONTENDERS: dict[str, tuple[str, ...]] = {
    OURS: (*RABBITMQ, *SQS),
    CONTRIB: (*RABBITMQ, *SQS),
    BOTOCORE: ("boto3",),
}
"""The clients that each contender has an answer for; with aiobotocore contrib is its instrumentation of botocore."""
