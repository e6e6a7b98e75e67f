"""aio-pika: how its messages are read, and drop-in connections whose queues and exchanges are traced.

    from unbroken.clients.aio_pika import connect_robust

    connection = await connect_robust("amqp://guest:guest@localhost/")

`connect`, `connect_robust`, `Connection` and `RobustConnection` are those of the client with classes of ours beneath:
each channel, queue, exchange and message is of a subclass of the client's class of the same name.

- `exchange.publish` carries the current context in the headers of a copy of the message and makes one PRODUCER span,
  which ends with the publisher confirm: with the error if the broker refuses the message or gives it back.
- The callback of `queue.consume` runs in `process`.
- `async with message.process()` is `process` too, around the client's acknowledgement; in a callback it is the same
  block. An iterator (`async for message in queue`) makes nothing current by itself: a context attached in one step of
  an asynchronous iterator would stay after a `break`.
- `message.ack`, `nack` and `reject`: one span, child of the process span.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from unbroken.errors import required

with required("aio-pika", "aio_pika", "aiormq"):
    import aio_pika
    from aio_pika.message import ProcessContext as _ClientProcessContext

from unbroken.clients.aio_pika_calls import (
    consumes,
    entering,
    gets,
    leaving,
    publishes,
    settles,
)
from unbroken.clients.aio_pika_facts import see

__all__ = ["Connection", "RobustConnection", "connect", "connect_robust"]

T = TypeVar("T", bound=aio_pika.abc.AbstractConnection)


class ProcessContext(_ClientProcessContext):
    """An `aio_pika` process context that is `process` too."""

    __aenter__ = entering(_ClientProcessContext.__aenter__)
    __aexit__ = leaving(_ClientProcessContext.__aexit__)


class IncomingMessage(aio_pika.IncomingMessage):
    """An `aio_pika.IncomingMessage` whose acknowledgement is traced."""

    __slots__ = ()

    ack = settles("ack")(aio_pika.IncomingMessage.ack)
    nack = settles("nack")(aio_pika.IncomingMessage.nack)
    reject = settles("reject")(aio_pika.IncomingMessage.reject)

    def process(
        self, requeue: bool = False, reject_on_redelivered: bool = False, ignore_processed: bool = False
    ) -> aio_pika.abc.AbstractProcessContext:
        """Return the client's block for the message, which is `process(message)` too."""
        return ProcessContext(
            self,
            requeue=requeue,
            reject_on_redelivered=reject_on_redelivered,
            ignore_processed=ignore_processed,
        )


def _adopt(queue: str, message: Any) -> None:
    """Take note of a message, and make it one of ours: the client has a fixed class for what it receives."""
    see(queue, message)
    if type(message) is aio_pika.IncomingMessage:
        object.__setattr__(message, "__class__", IncomingMessage)


class Exchange(aio_pika.Exchange):
    """An `aio_pika.Exchange` whose messages carry the trace."""

    publish = publishes(aio_pika.Exchange.publish)


class RobustExchange(aio_pika.RobustExchange):
    """An `aio_pika.RobustExchange` whose messages carry the trace."""

    publish = publishes(aio_pika.RobustExchange.publish)


class Queue(aio_pika.Queue):
    """An `aio_pika.Queue` whose messages are processed in their traces."""

    consume = consumes(_adopt)(aio_pika.Queue.consume)
    get = gets(_adopt)(aio_pika.Queue.get)


class RobustQueue(aio_pika.RobustQueue):
    """An `aio_pika.RobustQueue` whose messages are processed in their traces."""

    consume = consumes(_adopt)(aio_pika.RobustQueue.consume)
    get = gets(_adopt)(aio_pika.RobustQueue.get)


class Channel(aio_pika.Channel):
    """An `aio_pika.Channel` with queues and exchanges of ours."""

    QUEUE_CLASS = Queue
    EXCHANGE_CLASS = Exchange


class RobustChannel(aio_pika.RobustChannel):
    """An `aio_pika.RobustChannel` with queues and exchanges of ours."""

    QUEUE_CLASS = RobustQueue
    EXCHANGE_CLASS = RobustExchange


class Connection(aio_pika.Connection):
    """An `aio_pika.Connection` with channels of ours."""

    CHANNEL_CLASS = Channel


class RobustConnection(aio_pika.RobustConnection):
    """An `aio_pika.RobustConnection` with channels of ours."""

    CHANNEL_CLASS = RobustChannel


@overload
async def connect(*args: Any, connection_class: type[T], **named: Any) -> T: ...


@overload
async def connect(*args: Any, **named: Any) -> Connection: ...


async def connect(*args: Any, connection_class: Any = Connection, **named: Any) -> Any:
    """Return a connection, as the client's function of the same name does."""
    return await aio_pika.connect(*args, connection_class=connection_class, **named)


@overload
async def connect_robust(*args: Any, connection_class: type[T], **named: Any) -> T: ...


@overload
async def connect_robust(*args: Any, **named: Any) -> RobustConnection: ...


async def connect_robust(*args: Any, connection_class: Any = RobustConnection, **named: Any) -> Any:
    """Return a robust connection, as the client's function of the same name does."""
    return await aio_pika.connect_robust(*args, connection_class=connection_class, **named)
