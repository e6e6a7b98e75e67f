"""confluent-kafka: how its messages are read."""

from __future__ import annotations

from operator import methodcaller
from typing import Any

import confluent_kafka
from confluent_kafka import Message

from unbroken.clients.kafka.attributes import PER_MESSAGE, known_attributes, process_attributes
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import PAIRS


def _attributes(message: Any) -> Attributes:
    return process_attributes(
        message.topic(), message.partition(), message.offset(), message.key(), message.value() is None
    )


def _timestamp(message: Any) -> float | None:
    kind, milliseconds = message.timestamp()
    return milliseconds / 1000 if kind != confluent_kafka.TIMESTAMP_NOT_AVAILABLE else None


MESSAGE = MessageType(
    system="kafka",
    carrier=PAIRS,
    # By name, not `Message.headers`: a subclass may know better (the message of a test broker).
    headers=methodcaller("headers"),
    destination=methodcaller("topic"),
    attributes=_attributes,
    per_message_attributes=PER_MESSAGE,
    source=lambda message: f"{message.topic()}/{message.partition()}/{message.offset()}",
    timestamp=_timestamp,
    error=methodcaller("error"),
    consumer=known_attributes,
)
register(Message, MESSAGE)
