"""The attributes of the spans of RabbitMQ: what a message, and a connection, tell about themselves.

Clients give what came from the wire, and applications what they like: a value that says nothing (None, the double of a
test) makes no attribute.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, TypeGuard
from uuid import UUID

from unbroken.messaging import semconv
from unbroken.messaging.semconv import Attributes, Destination

SYSTEM = "rabbitmq"
MAX_DEATHS = 64
"""Tables of `x-death` that are looked at, the newest."""


@functools.lru_cache(maxsize=1024)
def published_to(exchange: Any, routing_key: Any) -> str:
    """Return the destination of a message that is published.

    >>> published_to("shop", "orders"), published_to("", "orders"), published_to("", "")
    ('shop:orders', 'orders', 'amq.default')
    """
    exchange, routing_key = _text(exchange), _text(routing_key)
    name = ":".join(filter(None, (exchange, routing_key))) or "amq.default"
    return Destination(name, stable_part(exchange or name))


@functools.lru_cache(maxsize=1024)
def consumed_from(exchange: Any, routing_key: Any, queue: Any) -> str:
    """Return the destination of a message that is consumed; a queue named like the routing key is named once.

    >>> consumed_from("shop", "orders", "orders.eu"), consumed_from("", "orders", "orders")
    ('shop:orders:orders.eu', 'orders')
    """
    exchange, routing_key, queue = _text(exchange), _text(routing_key), _text(queue)
    name = ":".join(filter(None, (exchange, routing_key, queue if queue != routing_key else "")))
    return Destination(name, stable_part(":".join(filter(None, (exchange, queue))) or name))


def put_destination(attributes: Attributes, destination: str) -> None:
    """Add a destination to the attributes of a span; an anonymous one with what is the same each time as template."""
    if not destination:
        return
    attributes[semconv.DESTINATION] = destination
    if "amq" in destination and (stable := stable_part(destination)) != destination:
        attributes[semconv.ANONYMOUS] = True
        if stable:
            attributes[semconv.TEMPLATE] = stable


@functools.lru_cache(maxsize=1024)
def stable_part(destination: str) -> str:
    """Return a destination without the names that were made at random.

    >>> stable_part("shop:orders:amq.gen-JzTY20BRgKO-HjmUJj0wLg"), stable_part("amq.topic:orders")
    ('shop:orders', 'amq.topic:orders')
    """
    stable = _RANDOM.sub("", destination)
    return destination if stable == destination else stable.removeprefix(":")


# What RabbitMQ names itself (queues, and the routing keys of direct replies), and the unnamed queues of robust
# connections of aio-pika.
_RANDOM = re.compile(r"(?:^|:)amq(?:\.gen-[^:]*|\.rabbitmq\.reply-to[^:]*|_[0-9a-f]{32})(?=:|$)")


def process_attributes(
    destination: str,
    routing_key: Any,
    delivery_tag: Any,
    redelivered: Any,
    headers: Any,
    message_id: Any,
    correlation_id: Any,
) -> Attributes:
    """Return the attributes of the process span of one message."""
    attributes: Attributes = {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "process",
        semconv.OPERATION_TYPE: "process",
    }
    put_destination(attributes, destination)
    _put_texts(attributes, routing_key, message_id, correlation_id)
    if isinstance(delivery_tag, int):
        attributes[semconv.RABBITMQ_DELIVERY_TAG] = delivery_tag
    if redelivered is True:
        attributes[semconv.REDELIVERED] = True
    if _is_mapping(headers):
        if "x-death" in headers:
            attributes.update(_deaths(headers["x-death"]))
        # Only a quorum queue counts: how often the message came back to it.
        if "x-delivery-count" in headers and isinstance(count := headers["x-delivery-count"], int):
            attributes[semconv.RECEIVE_COUNT] = count + 1
    return attributes


def _deaths(found: Any) -> Attributes:
    """Return what `x-death` says: how often the message was dead-lettered, where and why the last time.

    One table for each queue and reason, the newest first. An application can write the header too: what is no such
    list says nothing.
    """
    newest = found[:MAX_DEATHS] if _is_list(found) else []
    entries: list[dict[Any, Any]] = [entry for entry in newest if isinstance(entry, dict)]
    if not entries:
        return {}
    counts = [count for entry in entries if isinstance(count := entry.get("count"), int)]
    attributes: Attributes = {semconv.DEATH_COUNT: sum(counts)}
    for name, key in ((semconv.DEATH_QUEUE, "queue"), (semconv.DEATH_REASON, "reason")):
        if text := _text(entries[0].get(key)):
            attributes[name] = text
    return attributes


def source_of(destination: str, message_id: Any, delivery_tag: Any) -> str:
    """Return what finds a message again: its destination, and its id or else its delivery tag.

    >>> source_of("orders", "7", 1), source_of("orders", None, 1), source_of("orders", None, None)
    ('orders/7', 'orders/1', 'orders')
    """
    return "/".join(filter(None, (destination, _text(message_id) or _text(delivery_tag))))


def publish_attributes(
    exchange: Any, routing_key: Any, message_id: Any, correlation_id: Any, server: Attributes
) -> Attributes:
    """Return the attributes of the send span of one message."""
    attributes: Attributes = {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "publish",
        semconv.OPERATION_TYPE: "send",
        **server,
    }
    put_destination(attributes, published_to(exchange, routing_key))
    _put_texts(attributes, routing_key, message_id, correlation_id)
    return attributes


def _put_texts(attributes: Attributes, routing_key: Any, message_id: Any, correlation_id: Any) -> None:
    """Add what is known of a message that is published or consumed."""
    for name, value in (
        (semconv.RABBITMQ_ROUTING_KEY, routing_key),
        (semconv.MESSAGE_ID, message_id),
        (semconv.CONVERSATION_ID, correlation_id),
    ):
        if value and (text := _text(value)):
            attributes[name] = text


def server_attributes(host: Any, port: Any) -> Attributes:
    """Return the attributes of the broker that a connection is to."""
    if isinstance(host, str) and host and isinstance(port, int) and port:
        return {semconv.SERVER_ADDRESS: host, semconv.SERVER_PORT: port}
    return {}


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _text(value: Any) -> str:
    """Return a name as text: clients give the octets of one that is not UTF-8. What has no text is none.

    >>> _text(b"orders"), _text(7), _text(None), _text(object())
    ('orders', '7', '', '')
    """
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)  # a member of an enumeration: its value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, (int, UUID)) else ""
