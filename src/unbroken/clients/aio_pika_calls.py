"""aio-pika: what stands in place of its methods, in the drop-in classes and under zero-code instrumentation."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import aio_pika
import aiormq
from aio_pika.message import ProcessContext
from aio_pika.queue import QueueIterator
from aio_pika.tools import ensure_awaitable

from unbroken.clients.aio_pika_facts import channel_of, see, server_of
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.clients.rabbitmq_facts import RETURNED, is_made, once, publishing, server, settling, start_publish
from unbroken.clients.rabbitmq_frames import fitted
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.process import process
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.context import attached

Handler = Callable[[Any], Any]

_SCOPE = "_unbroken_scope"
"""Where a block of the client keeps ours."""


def settles(operation: str) -> Callable[[Any], Any]:
    """Return the patch of a method of a message that settles it."""

    def wrap(original: Any) -> Any:
        signature = inspect.signature(original)

        async def settle(self: Any, *args: Any, **named: Any) -> Any:
            multiple = bool(args or named) and signature.bind(self, *args, **named).arguments.get("multiple", False)
            channel = channel_of(self)
            block = settling(operation, channel, self.delivery_tag, multiple, server_of(channel))
            if block is None:
                return await original(self, *args, **named)
            with block:
                return await original(self, *args, **named)

        return settle

    return once(wrap)


@once
def entering(original: Any) -> Any:
    """Return the patch of the beginning of `async with message.process()`."""

    async def enter(self: Any) -> Any:
        message = await original(self)
        if isinstance(message, aio_pika.IncomingMessage) and _SCOPE not in vars(self):
            scope = MessageScope(message)
            scope.open()
            setattr(self, _SCOPE, scope)
        return message

    return enter


@once
def leaving(original: Any) -> Any:
    """Return the patch of its end: acknowledged or rejected inside the block."""

    async def leave(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
        kept: dict[str, Any] = self.__dict__
        scope = kept.pop(_SCOPE, None)
        if scope is None:
            return await original(self, kind, error, traceback)
        try:
            found = await original(self, kind, error, traceback)
        except BaseException as failure:
            scope.close(failure)
            raise
        scope.close(error)
        return found

    return leave


def consumes(see: Callable[[str, Any], None]) -> Callable[[Any], Any]:
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

POLLING = PollSwitch()
"""The switch of `POLLS`, and of what `queue.get` gives."""
_polled: WeakKeyDictionary[Any, PollScope] = WeakKeyDictionary()
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
        polled = _polled[giver] = PollScope(POLLING)
        polled.enter(message)


def _leave(giver: Any) -> None:
    polled = _polled.pop(giver, None)
    if polled is not None:
        polled.leave()


def gets(see: Callable[[str, Any], None]) -> Callable[[Any], Any]:
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


@once
def publishes(original: Any) -> Any:
    """Return the patch of `exchange.publish`."""

    async def publish(self: Any, message: Any, routing_key: Any, *args: Any, **named: Any) -> Any:
        sending = _begun(self, message, routing_key)
        fitted(sending, getattr(message, "headers", None), lambda: _frame_max(self))
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

    return start_publish(exchange.name, routing_key, getattr(message, "headers", None), describe)


def _server_of_exchange(exchange: Any) -> Attributes:
    """Return the server of the connection that a channel of the client's holds, in a private attribute."""
    url = getattr(getattr(exchange.channel, "_connection", None), "url", None)
    return server(getattr(url, "host", None), getattr(url, "port", None))


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


PATCHES: tuple[Patch, ...] = (
    Patch(aio_pika.Exchange, "publish", publishes),
    Patch(aio_pika.Queue, "consume", consumes(see)),
    Patch(aio_pika.Queue, "get", gets(see)),
    Patch(aio_pika.IncomingMessage, "ack", settles("ack")),
    Patch(aio_pika.IncomingMessage, "nack", settles("nack")),
    Patch(aio_pika.IncomingMessage, "reject", settles("reject")),
    Patch(ProcessContext, "__aenter__", entering),
    Patch(ProcessContext, "__aexit__", leaving),
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

ZERO_CODE = ZeroCode(lambda: (*PATCHES, *POLLS), POLLING)
