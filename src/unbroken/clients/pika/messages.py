"""pika: how its deliveries are read. The client gives a message in four pieces; `Delivery` holds them."""

from __future__ import annotations

from typing import Any, NamedTuple

from pika.spec import Basic, BasicProperties

from unbroken.clients.pika.channels import server_of
from unbroken.clients.rabbitmq.attributes import SYSTEM, consumed_from, process_attributes, source_of
from unbroken.clients.rabbitmq.handling import is_real
from unbroken.clients.rabbitmq.settling import receipt_of
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.receipts import ChannelReceipt
from unbroken.messaging.scope import SCOPE_KEY
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import current


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


def is_delivery(method: Any, properties: Any) -> bool:
    """Return whether these are pieces of a message of the client, not the doubles of a test."""
    return is_real(method, Basic.Deliver, Basic.GetOk) and is_real(properties, BasicProperties)


_new: Any = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _destination(delivery: Delivery) -> str:
    method = delivery.method
    return consumed_from(method.exchange, method.routing_key, delivery.queue)


def _attributes(delivery: Delivery) -> Attributes:
    method, properties = delivery.method, delivery.properties
    attributes = process_attributes(
        _destination(delivery),
        method.routing_key,
        method.delivery_tag,
        method.redelivered,
        properties.headers,
        properties.message_id,
        properties.correlation_id,
    )
    attributes.update(server_of(delivery.channel))
    return attributes


def _receipt(delivery: Delivery) -> ChannelReceipt | None:
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
        source=lambda one: source_of(_destination(one), one.properties.message_id, one.method.delivery_tag),
        timestamp=lambda delivery: delivery.properties.timestamp,
        consumer=server_of,
        receiving="consume",
        receipt=_receipt,
    ),
)
