"""aio-pika: what stands in place of the methods of queues and exchanges, in the drop-ins and under zero code."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import aio_pika
import aiormq
from aio_pika.queue import QueueIterator
from aio_pika.tools import ensure_awaitable

from unbroken.clients.aio_pika.incoming import adopt_message
from unbroken.clients.rabbitmq.attributes import server_attributes
from unbroken.clients.rabbitmq.handling import is_real, process_if_known
from unbroken.clients.rabbitmq.polling import PolledMessages
from unbroken.clients.rabbitmq.publishing import RETURNED, PublishBlock, start_client_publish
from unbroken.clients.wrappers import is_wrapper, wraps_once
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error

Handler = Callable[[Any], Any]


@wraps_once
def wrap_consume(original: Any) -> Any:
    """Return a `queue.consume` whose callback is traced."""

    async def consume(self: Any, callback: Any, *args: Any, **named: Any) -> Any:
        return await original(self, _trace_callback(callback, self), *args, **named)

    return consume


def _trace_callback(callback: Any, queue: Any) -> Any:
    """Return what the client is to call with each message."""
    if not callable(callback) or is_wrapper(callback):
        return callback
    is_iterator = isinstance(getattr(callback, "__self__", None), QueueIterator)

    def wrap(callback: Any) -> Any:
        awaitable: Handler = ensure_awaitable(callback)

        async def keep(message: Any) -> Any:
            adopt_message(queue.name, message)
            return await awaitable(message)

        async def handle(message: Any) -> Any:
            adopt_message(queue.name, message)
            with process_if_known(message):
                return await awaitable(message)

        return keep if is_iterator else handle

    return wraps_once(wrap)(callback)


@wraps_once
def wrap_publish(original: Any) -> Any:
    """Return an `exchange.publish` that makes a send span and carries its context."""

    async def publish(self: Any, message: Any, routing_key: Any, *args: Any, **named: Any) -> Any:
        if not is_real(message, aio_pika.Message):
            return await original(self, message, routing_key, *args, **named)
        sending = start_client_publish(
            self.name, routing_key, message, lambda: _server_of_exchange(self), lambda: _frame_max(self)
        )
        given = _with_headers(message, sending)
        with PublishBlock(sending):
            found = await original(self, given, routing_key, *args, **named)
        sending.end(_returned(found))
        return found

    return publish


def _server_of_exchange(exchange: Any) -> Attributes:
    """Return the server of the connection that a channel of the client's holds, in a private attribute."""
    url = getattr(getattr(exchange.channel, "_connection", None), "url", None)
    return server_attributes(getattr(url, "host", None), getattr(url, "port", None))


def _frame_max(exchange: Any) -> Any:
    """Return how large a frame of the connection can be, None where this version of the client does not tell it."""
    found = exchange.channel
    for name in ("_connection", "transport", "connection", "connection_tune", "frame_max"):
        found = getattr(found, name, None)
    return found


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
        log_internal_error("publish", failure)
        return message
    return copied


_new: Callable[[Any], Any] = object.__new__


@functools.lru_cache(maxsize=64)
def _slots(kind: type) -> tuple[Any, ...]:
    """Return the slots of a class."""
    return tuple(value for one in kind.__mro__ for value in vars(one).values() if inspect.ismemberdescriptor(value))


# Messages without a handler to wrap: what `queue.get` and an iterator give.

POLLING = PollSwitch()
"""Whether what `queue.get` and an iterator give becomes current."""
_polled = PolledMessages()
"""By the iterator or the queue."""


@wraps_once
def wrap_get(original: Any) -> Any:
    """Return a `queue.get` whose message knows its queue."""

    async def get(self: Any, *args: Any, **named: Any) -> Any:
        _polled.leave(self)
        message = await original(self, *args, **named)
        adopt_message(self.name, message)
        _enter(self, message)
        return message

    return get


@wraps_once
def wrap_step(original: Any) -> Any:
    """Return a step of an iterator whose message is current until the next step."""

    async def step(self: Any, *args: Any, **named: Any) -> Any:
        _polled.leave(self)
        message = await original(self, *args, **named)
        _enter(self, message)
        return message

    return step


@wraps_once
def wrap_close(original: Any) -> Any:
    """Return a `close` of an iterator that ends the scope of its last message."""

    async def close(self: Any, *args: Any, **named: Any) -> Any:
        _polled.leave(self)
        return await original(self, *args, **named)

    return close


def _enter(giver: Any, message: Any) -> None:
    if POLLING.is_on and is_real(message, aio_pika.IncomingMessage):
        _polled.enter(giver, message, PollScope(POLLING))
