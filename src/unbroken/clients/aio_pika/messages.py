"""aio-pika: how its messages are read.

A message does not know its queue: what consumes from one says so here, by channel and consumer tag (or, for a message
that was fetched, by its delivery tag).
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import aio_pika

from unbroken.clients.rabbitmq.attributes import SYSTEM, consumed_from, process_attributes, server_attributes, source_of
from unbroken.clients.rabbitmq.settling import receipt_of
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.receipts import ChannelReceipt
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import MAPPING

_queues: WeakKeyDictionary[Any, dict[Any, str]] = WeakKeyDictionary()
_MAX_TAGS = 1024
"""Of one channel; an application may make a consumer for each request."""


def remember_queue(queue: str, message: Any) -> None:
    """Remember the queue of a message. Never raises."""
    try:
        channel = channel_of(message)
        known = _queues.get(channel)
        if known is None:
            known = _queues[channel] = {}
        tag = message.consumer_tag or message.delivery_tag
        if len(known) >= _MAX_TAGS and tag not in known:
            del known[next(iter(known))]
        known[tag] = queue
    except Exception as failure:
        log_internal_error("the queue of a message", failure)


def channel_of(message: Any) -> Any:
    """Return the channel of a message, None where it has none that can be known."""
    try:
        return message._IncomingMessage__channel  # noqa: SLF001 - the public one raises when the channel is closed
    except AttributeError:
        pass
    try:
        return message.channel
    except Exception:
        return None


def _destination(message: Any) -> str:
    return consumed_from(message.exchange, message.routing_key, _queue_of(message))


def _queue_of(message: Any) -> str:
    try:
        known = _queues.get(channel_of(message))
    except TypeError:  # a stand-in for a channel, in somebody's tests
        return ""
    return known.get(message.consumer_tag or message.delivery_tag, "") if known else ""


def server_of(channel: Any) -> Attributes:
    """Return the server of the connection of a channel."""
    url = getattr(getattr(channel, "connection", None), "url", None)
    return server_attributes(getattr(url, "host", None), getattr(url, "port", None))


def _attributes(message: Any) -> Attributes:
    attributes = process_attributes(
        _destination(message),
        message.routing_key,
        message.delivery_tag,
        message.redelivered,
        message.headers,
        message.message_id,
        message.correlation_id,
    )
    attributes.update(server_of(channel_of(message)))
    return attributes


def _receipt(message: Any) -> ChannelReceipt | None:
    no_ack = getattr(message, "_IncomingMessage__no_ack", False)
    return None if no_ack else receipt_of(channel_of(message), message.delivery_tag)


register(
    aio_pika.IncomingMessage,
    MessageType(
        system=SYSTEM,
        carrier=MAPPING,
        headers=lambda message: message.headers,
        destination=_destination,
        attributes=_attributes,
        per_message_attributes=semconv.RABBITMQ_PER_MESSAGE,
        source=lambda message: source_of(_destination(message), message.message_id, message.delivery_tag),
        timestamp=lambda message: None if message.timestamp is None else message.timestamp.timestamp(),
        receiving="consume",
        receipt=_receipt,
    ),
)
