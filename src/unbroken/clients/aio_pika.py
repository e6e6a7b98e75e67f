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

# pyright: reportPrivateUsage=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

import aio_pika
import aiormq
from aio_pika.message import ProcessContext as _ClientProcessContext
from aio_pika.queue import QueueIterator
from aio_pika.tools import ensure_awaitable

from unbroken.clients.patches import Patch
from unbroken.clients.rabbitmq_facts import (
    RETURNED,
    SYSTEM,
    Receipt,
    begun,
    consumed_from,
    is_made,
    once,
    processing,
    publishing,
    receipt_of,
    server,
    settling,
)
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.polled import Polled, Polling
from unbroken.messaging.process import process
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import survived
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attached

__all__ = ["Connection", "RobustConnection", "connect", "connect_robust"]

Handler = Callable[[Any], Any]
T = TypeVar("T", bound=aio_pika.abc.AbstractConnection)


# How a message is read. It does not know its queue: what consumes from one says so here, by channel and consumer tag
# (or, for a message that was fetched, by its delivery tag).

_queues: WeakKeyDictionary[Any, dict[Any, str]] = WeakKeyDictionary()
_MAX_TAGS = 1024
"""Of one channel; an application may make a consumer for each request."""


def _is_from(queue: str, message: Any) -> None:
    """Remember the queue of a message."""
    channel = _channel(message)
    known = _queues.get(channel)
    if known is None:
        known = _queues[channel] = {}
    tag = message.consumer_tag or message.delivery_tag
    if len(known) >= _MAX_TAGS and tag not in known:
        del known[next(iter(known))]
    known[tag] = queue


def _channel(message: Any) -> Any:
    """Return the channel of a message also when it is closed; then the client's attribute raises."""
    return getattr(message, "_IncomingMessage__channel", None)


def _destination(message: Any) -> str:
    known = _queues.get(_channel(message), {})
    queue = known.get(message.consumer_tag or message.delivery_tag, "")
    return consumed_from(message.exchange, message.routing_key, queue)


def _server_of(channel: Any) -> Attributes:
    url = getattr(getattr(channel, "connection", None), "url", None)
    return server(getattr(url, "host", None), getattr(url, "port", None))


def _attributes(message: Any) -> Attributes:
    attributes = processing(
        _destination(message),
        message.routing_key,
        message.delivery_tag,
        message.redelivered,
        message.headers,
        message.message_id,
        message.correlation_id,
    )
    attributes.update(_server_of(_channel(message)))
    return attributes


def _receipt(message: Any) -> Receipt | None:
    no_ack = getattr(message, "_IncomingMessage__no_ack", False)
    return None if no_ack else receipt_of(_channel(message), message.delivery_tag)


def _no_error(message: Any) -> None:
    """The client raises its errors; none comes in a message's clothes."""


def _no_attributes(consumer: Any) -> Attributes:  # noqa: ARG001 - the seam gives it
    """Return nothing: the message knows its server, and its queue."""
    return {}


register(
    aio_pika.IncomingMessage,
    MessageType(
        system=SYSTEM,
        carrier=MAPPING,
        headers=lambda message: message.headers,
        destination=_destination,
        attributes=_attributes,
        varying=semconv.RABBITMQ_VARYING,
        position=lambda message: f"{_destination(message)}/{message.message_id or message.delivery_tag}",
        timestamp=lambda message: None if message.timestamp is None else message.timestamp.timestamp(),
        error=_no_error,
        consumer=_no_attributes,
        receiving="consume",
        receipt=_receipt,
    ),
)


# What is replaced.

_SCOPE = "_unbroken_scope"
"""Where a block of the client keeps ours."""


def _settles(operation: str) -> Callable[[Any], Any]:
    def wrap(original: Any) -> Any:
        signature = inspect.signature(original)

        async def settles(self: Any, *args: Any, **named: Any) -> Any:
            multiple = bool(args or named) and signature.bind(self, *args, **named).arguments.get("multiple", False)
            channel = _channel(self)
            block = settling(operation, channel, self.delivery_tag, multiple, _server_of(channel))
            if block is None:
                return await original(self, *args, **named)
            with block:
                return await original(self, *args, **named)

        return settles

    return once(wrap)


@once
def _entering(original: Any) -> Any:
    """The patch of the beginning of `async with message.process()`."""

    async def enter(self: Any) -> Any:
        message = await original(self)
        if isinstance(message, aio_pika.IncomingMessage) and _SCOPE not in vars(self):
            scope = process(message)
            scope.__enter__()
            setattr(self, _SCOPE, scope)
        return message

    return enter


@once
def _leaving(original: Any) -> Any:
    """The patch of its end: acknowledged or rejected inside the block."""

    async def leave(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
        kept: dict[str, Any] = self.__dict__
        scope = kept.pop(_SCOPE, None)
        if scope is None:
            return await original(self, kind, error, traceback)
        try:
            found = await original(self, kind, error, traceback)
        except BaseException as failure:
            scope.__exit__(type(failure), failure, failure.__traceback__)
            raise
        scope.__exit__(kind, error, traceback)
        return found

    return leave


def _consumes(see: Callable[[str, Any], None]) -> Callable[[Any], Any]:
    """Return the patch of `queue.consume`; `see` is called with the queue's name and each message."""

    def wrap(original: Any) -> Any:
        async def consume(self: Any, callback: Any, *args: Any, **named: Any) -> Any:
            return await original(self, _handling(callback, self, see), *args, **named)

        return consume

    return once(wrap)


def _handling(callback: Any, queue: Any, see: Callable[[str, Any], None]) -> Any:
    """Return what the client is to call with each message."""
    if not callable(callback) or is_made(callback):
        return callback
    is_iterator = isinstance(getattr(callback, "__self__", None), QueueIterator)

    def wrap(callback: Any) -> Any:
        awaitable: Handler = ensure_awaitable(callback)

        async def keep(message: Any) -> Any:
            see(queue.name, message)
            return await awaitable(message)

        async def handle(message: Any) -> Any:
            see(queue.name, message)
            with process(message):
                return await awaitable(message)

        return keep if is_iterator else handle

    return once(wrap)(callback)


# Without a block and without a handler: only for code that cannot be changed.

POLLING = Polling()
"""The switch of `POLLS`, and of what `queue.get` gives."""
_polled: WeakKeyDictionary[Any, Polled] = WeakKeyDictionary()
"""The message that an iterator, or the `get` of a queue, gave last."""


@once
def _polls(original: Any) -> Any:
    """The patch of a step that gives one message: its span is current until the next step of the same object."""

    async def step(self: Any, *args: Any, **named: Any) -> Any:
        _leave(self)
        message = await original(self, *args, **named)
        if message is not None:
            _enter(self, message)
        return message

    return step


@once
def _closes(original: Any) -> Any:
    async def close(self: Any, *args: Any, **named: Any) -> Any:
        _leave(self)
        return await original(self, *args, **named)

    return close


def _enter(giver: Any, message: Any) -> None:
    if POLLING.is_on:
        polled = _polled[giver] = Polled(POLLING)
        polled.enter(message)


def _leave(giver: Any) -> None:
    polled = _polled.pop(giver, None)
    if polled is not None:
        polled.leave()


def _gets(see: Callable[[str, Any], None]) -> Callable[[Any], Any]:
    """Return the patch of `queue.get`."""

    def wrap(original: Any) -> Any:
        async def get(self: Any, *args: Any, **named: Any) -> Any:
            _leave(self)
            message = await original(self, *args, **named)
            if message is not None:
                see(self.name, message)
                _enter(self, message)
            return message

        return get

    return once(wrap)


def _see(queue: str, message: Any) -> None:
    """Take note of a message. Never raises."""
    try:
        _is_from(queue, message)
    except Exception as failure:
        survived("the queue of a message", failure)


@once
def _publishing(original: Any) -> Any:
    async def publish(self: Any, message: Any, routing_key: Any, *args: Any, **named: Any) -> Any:
        sending = _begun(self, message, routing_key)
        given = _with_headers(message, sending)
        try:
            if (inside := sending.context) is None:
                found = await original(self, given, routing_key, *args, **named)
            else:
                with attached(inside):
                    found = await original(self, given, routing_key, *args, **named)
        except BaseException as error:
            sending.end(error)
            raise
        sending.end(_returned(found))
        return found

    return publish


def _begun(exchange: Any, message: Any, routing_key: Any) -> Sending:
    def describe() -> Attributes:
        message_id, correlation_id = getattr(message, "message_id", None), getattr(message, "correlation_id", None)
        return publishing(exchange.name, routing_key, message_id, correlation_id, _server_of_exchange(exchange))

    return begun(exchange.name, routing_key, getattr(message, "headers", None), describe)


def _server_of_exchange(exchange: Any) -> Attributes:
    """Return the server of the connection that a channel of the client's holds, in a private attribute."""
    url = getattr(getattr(exchange.channel, "_connection", None), "url", None)
    return server(getattr(url, "host", None), getattr(url, "port", None))


def _returned(found: Any) -> str | None:
    """Return the error of a message that the broker gave back, on a channel that does not raise it."""
    delivery = getattr(found, "delivery", None)
    return (delivery.reply_text or RETURNED) if isinstance(delivery, aiormq.spec.Basic.Return) else None


def _with_headers(message: Any, sending: Sending) -> Any:
    """Return a copy of the message with the headers to send; itself, where they are to stay as they are."""
    try:
        if sending.headers is message.headers:
            return message
        kind = message.__class__
        copied = _new(kind)
        for slot in _slots(kind):  # the client's own copy makes a plain Message, and some versions lose a property
            try:
                slot.__set__(copied, slot.__get__(message))
            except AttributeError:
                continue  # never set
        if hasattr(message, "__dict__"):
            copied.__dict__.update(message.__dict__)
        object.__setattr__(copied, "headers", sending.headers)  # the client's own refuses a locked message
    except Exception as failure:
        survived("publish", failure)
        return message
    return copied


_new: Callable[[Any], Any] = object.__new__


@functools.lru_cache(maxsize=64)
def _slots(kind: type) -> tuple[Any, ...]:
    """Return the slots of a class."""
    return tuple(value for one in kind.__mro__ for value in vars(one).values() if inspect.ismemberdescriptor(value))


PATCHES: tuple[Patch, ...] = (
    Patch(aio_pika.Exchange, "publish", _publishing),
    Patch(aio_pika.Queue, "consume", _consumes(_see)),
    Patch(aio_pika.Queue, "get", _gets(_see)),
    Patch(aio_pika.IncomingMessage, "ack", _settles("ack")),
    Patch(aio_pika.IncomingMessage, "nack", _settles("nack")),
    Patch(aio_pika.IncomingMessage, "reject", _settles("reject")),
    Patch(_ClientProcessContext, "__aenter__", _entering),
    Patch(_ClientProcessContext, "__aexit__", _leaving),
)
"""What zero-code instrumentation replaces; the drop-in classes are made by the same functions."""


_ITERATORS = tuple(
    kind
    for kind in (QueueIterator, getattr(aio_pika.robust_queue, "RobustQueueIterator", None))
    if kind is not None and "__anext__" in vars(kind)
)
POLLS: tuple[Patch, ...] = (
    *(Patch(kind, "__anext__", _polls) for kind in _ITERATORS),
    Patch(QueueIterator, "close", _closes),
)


# The drop-in classes.


class ProcessContext(_ClientProcessContext):
    """An `aio_pika` process context that is `process` too."""

    __aenter__ = _entering(_ClientProcessContext.__aenter__)
    __aexit__ = _leaving(_ClientProcessContext.__aexit__)


class IncomingMessage(aio_pika.IncomingMessage):
    """An `aio_pika.IncomingMessage` whose acknowledgement is traced."""

    __slots__ = ()

    ack = _settles("ack")(aio_pika.IncomingMessage.ack)
    nack = _settles("nack")(aio_pika.IncomingMessage.nack)
    reject = _settles("reject")(aio_pika.IncomingMessage.reject)

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
    _see(queue, message)
    if type(message) is aio_pika.IncomingMessage:
        object.__setattr__(message, "__class__", IncomingMessage)


class Exchange(aio_pika.Exchange):
    """An `aio_pika.Exchange` whose messages carry the trace."""

    publish = _publishing(aio_pika.Exchange.publish)


class RobustExchange(aio_pika.RobustExchange):
    """An `aio_pika.RobustExchange` whose messages carry the trace."""

    publish = _publishing(aio_pika.RobustExchange.publish)


class Queue(aio_pika.Queue):
    """An `aio_pika.Queue` whose messages are processed in their traces."""

    consume = _consumes(_adopt)(aio_pika.Queue.consume)
    get = _gets(_adopt)(aio_pika.Queue.get)


class RobustQueue(aio_pika.RobustQueue):
    """An `aio_pika.RobustQueue` whose messages are processed in their traces."""

    consume = _consumes(_adopt)(aio_pika.RobustQueue.consume)
    get = _gets(_adopt)(aio_pika.RobustQueue.get)


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
