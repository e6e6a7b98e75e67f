"""What RabbitMQ clients have in common: the facts about a message and about a channel that go on the spans.

Knows no client library; the modules named after the clients stand on it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Hashable
from typing import Any, TypeGuard, cast
from weakref import WeakSet, ref

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN

from unbroken.messaging import semconv
from unbroken.messaging.metrics import instruments
from unbroken.messaging.policy import active_policy
from unbroken.messaging.receipts import destination_of, remembered
from unbroken.messaging.scope import open_scopes
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.settle import settle
from unbroken.messaging.tracing import log_internal_error, tracing
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import SPAN_KEY, current

SYSTEM = "rabbitmq"
RETURNED = "NO_ROUTE"
"""`error.type` of a message that the broker gives back without saying why."""

Receipt = tuple[Hashable, int]
"""A channel, by a weak reference, and a delivery tag of it."""
_Wrap = Callable[[Any], Any]


@functools.lru_cache(maxsize=1024)
def published_to(exchange: Any, routing_key: Any) -> str:
    """Return the destination of a message that is published.

    >>> published_to("shop", "orders"), published_to("", "orders"), published_to("", "")
    ('shop:orders', 'orders', 'amq.default')
    """
    return ":".join(filter(None, (_text(exchange), _text(routing_key)))) or "amq.default"


@functools.lru_cache(maxsize=1024)
def consumed_from(exchange: Any, routing_key: Any, queue: Any) -> str:
    """Return the destination of a message that is consumed; a queue named like the routing key is named once.

    >>> consumed_from("shop", "orders", "orders.eu"), consumed_from("", "orders", "orders")
    ('shop:orders:orders.eu', 'orders')
    """
    exchange, routing_key, queue = _text(exchange), _text(routing_key), _text(queue)
    return ":".join(filter(None, (exchange, routing_key, queue if queue != routing_key else "")))


def put_destination(attributes: Attributes, destination: str) -> None:
    """Add a destination to the attributes of a span; an anonymous one with what is the same each time as template."""
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


def processing(
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
        semconv.RABBITMQ_DELIVERY_TAG: delivery_tag,
    }
    put_destination(attributes, destination)
    if routing_key:
        attributes[semconv.RABBITMQ_ROUTING_KEY] = _text(routing_key)
    if message_id:
        attributes[semconv.MESSAGE_ID] = _text(message_id)
    if correlation_id:
        attributes[semconv.CONVERSATION_ID] = _text(correlation_id)
    if redelivered:
        attributes[semconv.REDELIVERED] = True
    if headers:
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
    entries: list[dict[Any, Any]] = [entry for entry in found if isinstance(entry, dict)] if _is_list(found) else []
    if not entries:
        return {}
    counts = [count for entry in entries if isinstance(count := entry.get("count"), int)]
    return {
        semconv.DEATH_COUNT: sum(counts),
        semconv.DEATH_QUEUE: _text(entries[0].get("queue")),
        semconv.DEATH_REASON: _text(entries[0].get("reason")),
    }


def publishing(exchange: Any, routing_key: Any, message_id: Any, correlation_id: Any, server: Attributes) -> Attributes:
    """Return the attributes of the send span of one message."""
    attributes: Attributes = {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "publish",
        semconv.OPERATION_TYPE: "send",
        **server,
    }
    put_destination(attributes, published_to(exchange, routing_key))
    if routing_key:
        attributes[semconv.RABBITMQ_ROUTING_KEY] = _text(routing_key)
    if message_id:
        attributes[semconv.MESSAGE_ID] = _text(message_id)
    if correlation_id:
        attributes[semconv.CONVERSATION_ID] = _text(correlation_id)
    return attributes


def server(host: Any, port: Any) -> Attributes:
    """Return the attributes of the broker that a connection is to."""
    return {semconv.SERVER_ADDRESS: host, semconv.SERVER_PORT: port} if host and port else {}


def start_publish(exchange: Any, routing_key: Any, headers: Any, describe: Callable[[], Attributes]) -> Sending:
    """Start to publish one message; never raises: the client says itself what is wrong with the arguments."""
    try:
        return start_send(published_to(exchange, routing_key), headers, describe, MAPPING)
    except Exception as failure:
        log_internal_error("publish", failure)
        return Sending(headers, None, INVALID_SPAN)


def receipt_of(channel: Any, delivery_tag: Any) -> Receipt | None:
    """Return by what a delivery is settled; delivery tags begin again on each channel."""
    try:
        return (ref(channel), delivery_tag) if delivery_tag else None
    except TypeError:  # a stand-in for a channel, in somebody's tests
        return None


def settling(operation: str, channel: Any, delivery_tag: Any, multiple: Any, server: Attributes) -> settle | None:
    """Return the block in which one delivery is settled, or all up to it (`multiple`; tag 0: all). Never raises.

    None where it would do nothing, in the block of an unsampled message: 2 µs less.
    """
    attributes: Attributes = {semconv.SYSTEM: SYSTEM, **server}
    receipts: list[Hashable] = []
    try:
        if active_policy().settle:
            ambient = current()
            opened = {scope.receipt: scope for scope in open_scopes(ambient)}
            one = receipt_of(channel, delivery_tag)
            if multiple:
                receipts += remembered(functools.partial(_covers, channel, delivery_tag))
                receipts += [receipt for receipt in opened if _covers(channel, delivery_tag, receipt)]
            elif one is not None:
                if one in opened and _is_unseen(ambient):
                    return None
                receipts.append(one)
                attributes[semconv.RABBITMQ_DELIVERY_TAG] = delivery_tag
            destinations = {opened[one].destination if one in opened else destination_of(one) for one in receipts}
            if len(destinations) == 1 and (destination := destinations.pop()):
                put_destination(attributes, destination)
    except Exception as failure:
        log_internal_error("settle", failure)
    return settle(operation, receipts, attributes)


def _is_unseen(ambient: Context) -> bool:
    """Return whether neither a span nor a metric would tell of what is done here."""
    span: Any = ambient.get(SPAN_KEY)
    return (
        span is not None
        and not span.is_recording()
        and (span_context := span.get_span_context()).is_valid
        and tracing().drops(span_context)
        and instruments() is None
    )


def _covers(channel: Any, delivery_tag: int, receipt: Any) -> bool:
    """Return whether the settlement of all deliveries up to a tag is one of this receipt."""
    if not isinstance(receipt, tuple):
        return False
    of, tag = cast("tuple[Any, Any]", receipt)
    return isinstance(of, ref) and of() is channel and (not delivery_tag or tag <= delivery_tag)


def once(wrap: _Wrap) -> _Wrap:
    """Return `wrap` such that a function it made is never wrapped again: what that one replaced is wrapped instead.

    So a drop-in class, whose methods are made by the patches too, is traced once where its parent is patched.
    """

    @functools.wraps(wrap)
    def wrapping(original: Any) -> Any:
        if is_made(original):
            original = original.__wrapped__
        by = functools.wraps(original)(wrap(original))
        _made.add(by)
        return by

    return wrapping


def is_made(function: Any) -> bool:
    """Return whether a function was made by a wrap of `once`."""
    try:
        return function in _made
    except TypeError:  # a callable that has no hash, or no weak references
        return False


_made: WeakSet[Any] = WeakSet()
"""The functions that stand instead of others. A mark on the function would go to other decorators.

What a function replaced is known by itself alone: it may be a method of the object that keeps the function.
"""


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _text(value: Any) -> str:
    """Return a name as text: clients give the octets of one that is not UTF-8."""
    if type(value) is str:
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
