"""The records of the clients in Python: an object with attributes, the same in aiokafka and kafka-python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unbroken.clients.kafka.attributes import PER_MESSAGE, HasClientAttributes, known_attributes, process_attributes
from unbroken.messaging.message import MessageType
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import Carrier


def record_type(carrier: Carrier, consumer: Callable[[Any], Attributes] = known_attributes) -> MessageType:
    """Return how a `ConsumerRecord` is read.

    Args:
        carrier: what its headers are for this client.
        consumer: the attributes that a plain consumer tells without asking the broker; a drop-in class knows them.
    """
    return MessageType(
        system="kafka",
        carrier=carrier,
        headers=lambda record: record.headers,
        destination=lambda record: record.topic,
        attributes=_record_attributes,
        per_message_attributes=PER_MESSAGE,
        source=lambda record: f"{record.topic}/{record.partition}/{record.offset}",
        timestamp=_record_timestamp,
        consumer=lambda one: one.unbroken_attributes if isinstance(one, HasClientAttributes) else consumer(one),
    )


def _record_attributes(record: Any) -> Attributes:
    return process_attributes(record.topic, record.partition, record.offset, record.key, record.value is None)


def _record_timestamp(record: Any) -> float | None:
    milliseconds: int | None = record.timestamp
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1000
