"""pika: what stands in place of the methods of a channel, on one object and under zero code."""

# The client's annotations differ between its versions, and the oldest have none.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from pika.spec import BasicProperties

from unbroken.clients.pika.channels import is_beneath, params_of, server_of
from unbroken.clients.pika.confirms import confirms_of
from unbroken.clients.pika.messages import Delivery, is_delivery
from unbroken.clients.rabbitmq.handling import is_real
from unbroken.clients.rabbitmq.polling import PolledMessages
from unbroken.clients.rabbitmq.publishing import PublishBlock, start_client_publish
from unbroken.clients.rabbitmq.settling import NO_BLOCK, settle_deliveries
from unbroken.clients.wrappers import TracedCallback, Wrap, wraps_once
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.process import process
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error

Callback = Callable[[Any, Any, Any, Any], Any]
"""What pika calls with channel, method, properties and body."""


def trace_callback(callback: Callback, queue: str | None, auto_ack: bool) -> Callback:
    """Return a callback that runs `callback` in `process`; one that does so already is returned as it is."""

    def handle(*pieces: Any, **named: Any) -> Any:
        with _block_of(pieces, queue, auto_ack):
            return callback(*pieces, **named)

    return callback if isinstance(callback, TracedCallback) else TracedCallback(callback, handle)


def _block_of(pieces: tuple[Any, ...], queue: str | None, auto_ack: bool) -> AbstractContextManager[Any]:
    """Return the block for what a callback is given; one that does nothing where it is no message that we know."""
    if len(pieces) == 4 and is_delivery(pieces[1], pieces[2]):
        return process(Delivery(*pieces, queue, auto_ack))
    return NO_BLOCK


def wrap_settle(operation: str, *, has_multiple: bool) -> Wrap:
    """Return what wraps a method that settles; `has_multiple` says whether that is its second argument."""

    def wrap(original: Any) -> Any:
        def settle(self: Any, delivery_tag: Any = 0, *args: Any, **named: Any) -> Any:
            if is_beneath(self):
                return original(self, delivery_tag, *args, **named)
            multiple = has_multiple and (args[0] if args else named.get("multiple", False))
            with settle_deliveries(operation, self, delivery_tag, multiple, server_of(self)):
                return original(self, delivery_tag, *args, **named)

        return settle

    return wraps_once(wrap)


@wraps_once
def wrap_consume(original: Any) -> Any:
    """Return a `basic_consume` whose callback is traced."""

    def basic_consume(
        self: Any, queue: Any, on_message_callback: Any, auto_ack: Any = False, *args: Any, **named: Any
    ) -> Any:
        if callable(on_message_callback) and not is_beneath(self):
            on_message_callback = trace_callback(on_message_callback, queue, bool(auto_ack))
        return original(self, queue, on_message_callback, auto_ack, *args, **named)

    return basic_consume


@wraps_once
def wrap_callback_get(original: Any) -> Any:
    """Return a `basic_get` of a Channel, which gives the message to a callback, that is traced."""

    def basic_get(self: Any, queue: Any, callback: Any, auto_ack: Any = False) -> Any:
        if callable(callback) and not is_beneath(self):
            callback = trace_callback(callback, queue, bool(auto_ack))
        return original(self, queue, callback, auto_ack)

    return basic_get


@wraps_once
def wrap_publish(original: Any) -> Any:
    """Return a `basic_publish` that makes a send span and carries its context."""

    def basic_publish(
        self: Any, exchange: Any, routing_key: Any, body: Any, properties: Any = None, mandatory: Any = False
    ) -> Any:
        if is_beneath(self) or not (properties is None or is_real(properties, BasicProperties)):
            return original(self, exchange, routing_key, body, properties, mandatory)
        sending = start_client_publish(
            exchange, routing_key, properties, lambda: server_of(self), lambda: params_of(self).frame_max
        )
        given = _with_headers(properties, sending)
        if (confirms := confirms_of(self)) is not None:
            confirms.listen(self)
        with PublishBlock(sending):
            found = original(self, exchange, routing_key, body, given, mandatory)
        if confirms is None:
            sending.end()
        else:
            confirms.add(sending)
        return found

    return basic_publish


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


# Messages without a handler to wrap: the loop over `consume()`, and `basic_get` of a BlockingChannel.

POLLING = PollSwitch()
"""Whether what `basic_get` of a BlockingChannel gives becomes current."""
_LOOPS = PollSwitch()
"""The loops over `consume()`: their scopes end with them, so they need no switch."""
_LOOPS.start()
_polled = PolledMessages()
"""By the BlockingChannel, which has one generator at most."""


@wraps_once
def wrap_loop(original: Any) -> Any:
    """Return a `consume` whose messages are current for one step of the loop each."""

    def consume(self: Any, queue: Any, auto_ack: Any = False, *args: Any, **named: Any) -> Iterator[Any]:
        scope = PollScope(_LOOPS)
        try:
            for pieces in original(self, queue, auto_ack, *args, **named):
                _enter(self, pieces, queue, bool(auto_ack), scope)
                yield pieces
                scope.leave()
        finally:
            scope.leave()

    return consume


@wraps_once
def wrap_polled_get(original: Any) -> Any:
    """Return a `basic_get` of a BlockingChannel whose message is current until the channel's next one."""

    def basic_get(self: Any, queue: Any, auto_ack: Any = False) -> Any:
        _polled.leave(self)
        _polled.leave_closed()
        pieces = original(self, queue, auto_ack)
        if POLLING.is_on:
            _enter(self, pieces, queue, bool(auto_ack), PollScope(POLLING))
        return pieces

    return basic_get


def _enter(channel: Any, pieces: Any, queue: str, auto_ack: bool, scope: PollScope) -> None:
    """Make a message current, if it is one that we know."""
    if not isinstance(pieces, tuple) or len(pieces) != 3:
        return
    method, properties, body = pieces
    if is_delivery(method, properties):
        _polled.enter(channel, Delivery(channel, method, properties, body, queue, auto_ack), scope)


@wraps_once
def wrap_leave(original: Any) -> Any:
    """Return a method after which the channel gives no more messages to a loop."""

    def leave(self: Any, *args: Any, **named: Any) -> Any:
        _polled.leave(self)
        return original(self, *args, **named)

    return leave
