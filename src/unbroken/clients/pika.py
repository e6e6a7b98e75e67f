"""pika: how its deliveries are read, and a channel or a callback that is traced.

    from unbroken.clients.pika import Delivery, get, traced, traced_channel

    channel = traced_channel(connection.channel())

- `basic_publish` carries the current context in the headers and makes one PRODUCER span. It ends when the client's
  method returns; in confirm mode with the broker's answer: of a `BlockingChannel` that is the same moment, of a
  `pika.channel.Channel` it is its callback.
- The callbacks of `basic_consume`, and of `basic_get` of a `pika.channel.Channel`, run in `process`.
- `consume()` of a `BlockingChannel`: the span of a message is current until the next step of the loop, and not after
  the loop, however it is left.
- `basic_ack`, `basic_nack`, `basic_reject`: one span, child of the process span.

A channel is traced from then on: of messages that it has published before, no confirmation is awaited. The client gives
a message in four pieces; `Delivery` holds them, for `process`, `extract` and `forward`. Properties and headers of the
user and of a message are never changed.
"""

# The client's annotations differ between its versions, and the oldest have none.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from unbroken.errors import required

with required("pika"):
    from pika.adapters.blocking_connection import BlockingChannel
    from pika.channel import Channel
    from pika.spec import BasicProperties

from unbroken.clients.patches import Patch, ZeroCode, install
from unbroken.clients.pika_confirms import confirming, confirms_of, is_beneath
from unbroken.clients.rabbitmq_facts import (
    SYSTEM,
    Receipt,
    consumed_from,
    is_made,
    once,
    processing,
    publishing,
    receipt_of,
    server,
    settling,
    start_publish,
)
from unbroken.clients.rabbitmq_frames import fitted
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.process import SCOPE_KEY, process
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attached, current

__all__ = ["Delivery", "get", "traced", "traced_channel"]

Callback = Callable[[Any, Any, Any, Any], Any]
"""What pika calls with channel, method, properties and body."""
T = TypeVar("T")


class _Pieces(NamedTuple):
    channel: Any
    method: Any
    properties: Any
    body: Any
    queue: str | None
    auto_ack: bool


class Delivery(_Pieces):
    """One message as pika gives it, in one value; made again in the block of its `process`, it is the same value.

    Args:
        channel: the channel that it came from.
        method: `Basic.Deliver` or `Basic.GetOk`.
        properties: its `BasicProperties`.
        body: its octets.
        queue: where it comes from, when it is known: pika does not tell.
        auto_ack: whether the broker awaits no acknowledgement.
    """

    __slots__ = ()

    def __new__(
        cls, channel: Any, method: Any, properties: Any, body: Any, queue: str | None = None, auto_ack: bool = False
    ) -> Delivery:
        """Return the delivery that is being processed, if it is made of this `method`; else a new one."""
        scope: Any = current().get(SCOPE_KEY)
        if scope is not None and type(scope.message) is Delivery and scope.message.method is method:
            found: Delivery = scope.message
            return found
        made: Delivery = _new(cls, (channel, method, properties, body, queue, auto_ack))
        return made


_new: Any = tuple.__new__  # pyright: ignore[reportUnknownVariableType]


def get(channel: Any, queue: str, auto_ack: bool = False) -> Delivery | None:
    """Return the next message of a queue by `basic_get` of a `BlockingChannel`, None when the queue is empty."""
    method, properties, body = channel.basic_get(queue, auto_ack)
    return None if method is None else Delivery(channel, method, properties, body, queue, auto_ack)


def traced(callback: Callback, queue: str | None = None, *, auto_ack: bool = False) -> Callback:
    """Return a callback that runs `callback` in `process`; one that does so already is returned as it is.

    Args:
        callback: called with channel, method, properties and body.
        queue: the queue that is consumed, for the name of the span.
        auto_ack: whether the broker awaits no acknowledgement.
    """
    return callback if is_made(callback) else _tracing(queue, auto_ack)(callback)


def traced_channel(channel: T) -> T:
    """Return the channel itself, a `BlockingChannel` or a `pika.channel.Channel`, traced from now on; twice is once."""
    install(patch.on(channel) for patch in PATCHES if isinstance(channel, patch.owner))
    return channel


def _tracing(queue: str | None, auto_ack: bool) -> Callable[[Callback], Callback]:
    def wrap(callback: Callback) -> Callback:
        def handle(channel: Any, method: Any, properties: Any, body: Any) -> Any:
            with process(Delivery(channel, method, properties, body, queue, auto_ack)):
                return callback(channel, method, properties, body)

        return handle

    return once(wrap)


# How a delivery is read.


def _params_of(channel: Any) -> Any:
    connection = getattr(channel, "connection", None)
    connection = getattr(connection, "_impl", connection)  # of a BlockingConnection
    return getattr(connection, "params", None)


def _server_of(channel: Any) -> Attributes:
    params = _params_of(channel)
    return server(getattr(params, "host", None), getattr(params, "port", None))


def _destination(delivery: Delivery) -> str:
    method = delivery.method
    return consumed_from(method.exchange, method.routing_key, delivery.queue)


def _attributes(delivery: Delivery) -> Attributes:
    method, properties = delivery.method, delivery.properties
    attributes = processing(
        _destination(delivery),
        method.routing_key,
        method.delivery_tag,
        method.redelivered,
        properties.headers,
        properties.message_id,
        properties.correlation_id,
    )
    attributes.update(_server_of(delivery.channel))
    return attributes


def _receipt(delivery: Delivery) -> Receipt | None:
    return None if delivery.auto_ack else receipt_of(delivery.channel, delivery.method.delivery_tag)


register(
    Delivery,
    MessageType(
        system=SYSTEM,
        carrier=MAPPING,
        headers=lambda delivery: delivery.properties.headers,
        destination=_destination,
        attributes=_attributes,
        per_message_attributes=semconv.RABBITMQ_PER_MESSAGE,
        source=lambda one: f"{_destination(one)}/{one.properties.message_id or one.method.delivery_tag}",
        timestamp=lambda delivery: delivery.properties.timestamp,
        error=lambda delivery: None,  # noqa: ARG005 - the client raises its errors
        consumer=_server_of,
        receiving="consume",
        receipt=_receipt,
    ),
)


# What is replaced.


def _settles(operation: str, multiple: bool) -> Callable[[Any], Any]:
    """Return the patch of a method that settles; `multiple` says whether it takes such an argument."""

    def wrap(original: Any) -> Any:
        def up_to(self: Any, delivery_tag: Any = 0, multiple: Any = False, *args: Any, **named: Any) -> Any:
            block = None if is_beneath(self) else settling(operation, self, delivery_tag, multiple, _server_of(self))
            if block is None:
                return original(self, delivery_tag, multiple, *args, **named)
            with block:
                return original(self, delivery_tag, multiple, *args, **named)

        def one(self: Any, delivery_tag: Any = 0, *args: Any, **named: Any) -> Any:
            block = None if is_beneath(self) else settling(operation, self, delivery_tag, False, _server_of(self))
            if block is None:
                return original(self, delivery_tag, *args, **named)
            with block:
                return original(self, delivery_tag, *args, **named)

        return up_to if multiple else one

    return once(wrap)


@once
def _consuming(original: Any) -> Any:
    def basic_consume(
        self: Any, queue: Any, on_message_callback: Any, auto_ack: Any = False, *args: Any, **named: Any
    ) -> Any:
        if callable(on_message_callback) and not is_beneath(self):
            on_message_callback = traced(on_message_callback, queue, auto_ack=bool(auto_ack))
        return original(self, queue, on_message_callback, auto_ack, *args, **named)

    return basic_consume


@once
def _getting(original: Any) -> Any:
    """The patch of `basic_get` of a Channel, which gives the message to a callback."""

    def basic_get(self: Any, queue: Any, callback: Any, auto_ack: Any = False) -> Any:
        if callable(callback) and not is_beneath(self):
            callback = traced(callback, queue, auto_ack=bool(auto_ack))
        return original(self, queue, callback, auto_ack)

    return basic_get


_LOOPS = PollSwitch()
"""The loops over `consume()`: their scopes end with them, so they need no switch."""
_LOOPS.start()
POLLING = PollSwitch()
"""The switch of `POLLS`."""
_polled: WeakKeyDictionary[Any, PollScope] = WeakKeyDictionary()
"""The message that a BlockingChannel gave last; it has one generator at most."""


@once
def _looping(original: Any) -> Any:
    def consume(self: Any, queue: Any, auto_ack: Any = False, *args: Any, **named: Any) -> Iterator[Any]:
        polled = PollScope(_LOOPS)
        try:
            for method, properties, body in original(self, queue, auto_ack, *args, **named):
                if method is not None:
                    _polled[self] = polled
                    polled.enter(Delivery(self, method, properties, body, queue, bool(auto_ack)))
                yield method, properties, body
                polled.leave()
        finally:
            polled.leave()

    return consume


@once
def _polling(original: Any) -> Any:
    """The patch of `basic_get` of a BlockingChannel: the message's span is current until the channel's next one."""

    def basic_get(self: Any, queue: Any, auto_ack: Any = False) -> Any:
        _leave(self)
        _leave_closed()
        method, properties, body = original(self, queue, auto_ack)
        if method is not None and POLLING.is_on:
            polled = _polled[self] = PollScope(POLLING)
            polled.enter(Delivery(self, method, properties, body, queue, bool(auto_ack)))
        return method, properties, body

    return basic_get


@once
def _leaving(original: Any) -> Any:
    """The patch of a method after which the channel gives no more messages to a loop."""

    def leaving(self: Any, *args: Any, **named: Any) -> Any:
        _leave(self)
        return original(self, *args, **named)

    return leaving


def _leave(channel: Any) -> None:
    polled = _polled.pop(channel, None)
    if polled is not None:
        polled.leave()


def _leave_closed() -> None:
    """End the messages of channels that the broker closed, or that were lost: nobody calls them any more."""
    for channel in [known for known in list(_polled) if known.is_closed]:
        _leave(channel)


# Publishing.


@once
def _publishing(original: Any) -> Any:
    def basic_publish(
        self: Any, exchange: Any, routing_key: Any, body: Any, properties: Any = None, mandatory: Any = False
    ) -> Any:
        if is_beneath(self):
            return original(self, exchange, routing_key, body, properties, mandatory)
        sending = _begun(self, exchange, routing_key, properties)
        fitted(sending, getattr(properties, "headers", None), lambda: _params_of(self).frame_max)
        given = _with_headers(properties, sending)
        confirms = confirms_of(self)
        try:
            if (inside := sending.context) is None:
                found = original(self, exchange, routing_key, body, given, mandatory)
            else:
                with attached(inside):
                    found = original(self, exchange, routing_key, body, given, mandatory)
        except BaseException as error:
            sending.end(error)
            raise
        if confirms is None:
            sending.end()
        else:
            confirms.add(sending)
        return found

    return basic_publish


def _begun(channel: Any, exchange: Any, routing_key: Any, properties: Any) -> Sending:
    def describe() -> Attributes:
        message_id = getattr(properties, "message_id", None)
        correlation_id = getattr(properties, "correlation_id", None)
        return publishing(exchange, routing_key, message_id, correlation_id, _server_of(channel))

    return start_publish(exchange, routing_key, getattr(properties, "headers", None), describe)


def _with_headers(properties: Any, sending: Sending) -> Any:
    """Return a copy of the properties with the headers to send; themselves, where they are to stay as they are."""
    headers = sending.headers
    try:
        if properties is None:
            return BasicProperties(headers=headers) if headers else None
        if headers is properties.headers:
            return properties
        kind: Any = type(properties)
        copied = kind.__new__(kind)
        copied.__dict__.update(properties.__dict__)  # 2 µs less than copy.copy
        copied.headers = headers
    except Exception as failure:
        log_internal_error("publish", failure)
        return properties
    return copied


PATCHES: tuple[Patch, ...] = (
    *(Patch(owner, "basic_publish", _publishing) for owner in (Channel, BlockingChannel)),
    *(Patch(owner, "basic_consume", _consuming) for owner in (Channel, BlockingChannel)),
    *(Patch(owner, "basic_ack", _settles("ack", True)) for owner in (Channel, BlockingChannel)),
    *(Patch(owner, "basic_nack", _settles("nack", True)) for owner in (Channel, BlockingChannel)),
    *(Patch(owner, "basic_reject", _settles("reject", False)) for owner in (Channel, BlockingChannel)),
    Patch(Channel, "basic_get", _getting),
    Patch(Channel, "confirm_delivery", confirming),
    Patch(BlockingChannel, "consume", _looping),
    Patch(BlockingChannel, "cancel", _leaving),
    Patch(BlockingChannel, "close", _leaving),
)
"""What is replaced on one channel by `traced_channel`, and on the classes by zero-code instrumentation."""
POLLS: tuple[Patch, ...] = (Patch(BlockingChannel, "basic_get", _polling),)
"""Without a block and without a handler: only for code that cannot be changed."""

ZERO_CODE = ZeroCode(lambda: (*PATCHES, *POLLS), POLLING)
