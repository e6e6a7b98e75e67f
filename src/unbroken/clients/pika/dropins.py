"""pika: a channel, the channels of a connection, a callback and `basic_get`, traced without zero code."""

# The client's annotations differ between its versions, and the oldest have none.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any, TypeVar

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.channel import Channel
from pika.connection import Connection

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.clients.pika.confirms import wrap_confirm_delivery
from unbroken.clients.pika.messages import Delivery
from unbroken.clients.pika.methods import (
    Callback,
    trace_callback,
    wrap_callback_get,
    wrap_consume,
    wrap_leave,
    wrap_loop,
    wrap_publish,
    wrap_settle,
)
from unbroken.clients.rabbitmq.handling import is_real
from unbroken.clients.wrappers import wraps_once

T = TypeVar("T")


def instrument(traceable: T) -> T:
    """Return the channel or connection itself, traced from now on; twice is once.

    Args:
        traceable: a `BlockingChannel` or `pika.channel.Channel`, or a connection that makes them: each channel that it
            opens from now on is traced.

    Raises:
        TypeError: neither.
    """
    install(_patches_of(traceable))
    return traceable


def uninstrument(traceable: T) -> T:
    """Return the channel or connection itself, as it was before `instrument`; a connection's open channels stay so."""
    uninstall(_patches_of(traceable))
    return traceable


def traced(callback: Callback, queue: str | None = None, *, auto_ack: bool = False) -> Callback:
    """Return a callback that runs `callback` in `process`; one that does so already is returned as it is.

    Args:
        callback: called with channel, method, properties and body.
        queue: the queue that is consumed, for the name of the span.
        auto_ack: whether the broker awaits no acknowledgement.
    """
    return trace_callback(callback, queue, auto_ack)


def get(channel: Any, queue: str, auto_ack: bool = False) -> Delivery | None:
    """Return the next message of a queue by `basic_get` of a `BlockingChannel`, None when the queue is empty."""
    method, properties, body = channel.basic_get(queue, auto_ack)
    return None if method is None else Delivery(channel, method, properties, body, queue, auto_ack)


def _patches_of(traceable: Any) -> list[Patch]:
    """Return what is replaced on one object."""
    owners = (*_CHANNELS, *_CONNECTIONS)
    if not isinstance(traceable, owners):
        raise TypeError(f"instrument() takes a channel or a connection of pika, not {type(traceable).__qualname__}")
    if not is_real(traceable, *owners):
        return []
    return [patch.on(traceable) for patch in (*PATCHES, *_OPENING) if isinstance(traceable, patch.owner)]


@wraps_once
def _wrap_channel(original: Any) -> Any:
    """Return a `channel` of a connection whose channels are traced."""

    def channel(self: Any, *args: Any, **named: Any) -> Any:
        opened = original(self, *args, **named)
        return instrument(opened) if isinstance(opened, _CHANNELS) else opened

    return channel


_CHANNELS = (Channel, BlockingChannel)
_CONNECTIONS = (Connection, BlockingConnection)

PATCHES: tuple[Patch, ...] = (
    *(Patch(owner, "basic_publish", wrap_publish) for owner in _CHANNELS),
    *(Patch(owner, "basic_consume", wrap_consume) for owner in _CHANNELS),
    *(Patch(owner, "basic_ack", wrap_settle("ack", has_multiple=True)) for owner in _CHANNELS),
    *(Patch(owner, "basic_nack", wrap_settle("nack", has_multiple=True)) for owner in _CHANNELS),
    *(Patch(owner, "basic_reject", wrap_settle("reject", has_multiple=False)) for owner in _CHANNELS),
    Patch(Channel, "basic_get", wrap_callback_get),
    Patch(Channel, "confirm_delivery", wrap_confirm_delivery),
    Patch(BlockingChannel, "consume", wrap_loop),
    Patch(BlockingChannel, "cancel", wrap_leave),
    Patch(BlockingChannel, "close", wrap_leave),
)
"""What is replaced on one channel by `instrument`, and on the classes by zero code."""

_OPENING: tuple[Patch, ...] = tuple(Patch(owner, "channel", _wrap_channel) for owner in _CONNECTIONS)
"""What is replaced on one connection by `instrument`."""
