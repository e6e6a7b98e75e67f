"""What Kafka clients have in common: the facts about a record and about a client that go on the spans.

Knows no client library; the modules named after the clients stand on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType
from unbroken.messaging.policy import Correlation
from unbroken.messaging.process import process
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import Carrier


class HasClientAttributes:
    """A client that knows its id, group and server from its configuration."""

    unbroken_attributes: Attributes = {}  # noqa: RUF012 - replaced by each instance, never changed
    """The attributes that it puts on the spans of its messages."""


class TracedProducerMixin(HasClientAttributes):
    """The producer side of a drop-in class."""

    def unbroken_start_send(
        self, topic: str, key: object, value: object, partition: int | None, headers: Any
    ) -> Sending:
        """Start to send one record: its span, not current, and its headers."""
        client = self.unbroken_attributes
        return start_send(topic, headers, lambda: semconv.kafka_send(topic, partition, key, value is None, client))


class TracedConsumerMixin(HasClientAttributes):
    """The consumer side of a drop-in class."""

    def process(
        self, message: object, *, correlation: Correlation | None = None, attributes: Attributes | None = None
    ) -> process:
        """Return `process(message, consumer)`."""
        return process(message, self, correlation=correlation, attributes=attributes)

    def receive(self, messages: Sequence[object] | Mapping[Any, Sequence[object]]) -> receive:
        """Return `receive(messages, consumer)`."""
        return receive(messages, self)


def record_type(carrier: Carrier, consumer: Callable[[Any], Attributes]) -> MessageType:
    """Return how a `ConsumerRecord` is read: an object with attributes, the same in aiokafka and kafka-python.

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
        per_message_attributes=semconv.KAFKA_PER_MESSAGE,
        source=lambda record: f"{record.topic}/{record.partition}/{record.offset}",
        timestamp=_record_timestamp,
        error=_no_error,
        consumer=lambda one: one.unbroken_attributes if isinstance(one, HasClientAttributes) else consumer(one),
    )


def sent(metadata: Any, acknowledged: bool = True) -> Attributes:
    """Return what a `RecordMetadata` tells about a record; where none is acknowledged (`acks=0`), no offset."""
    if metadata is None:
        return {}
    attributes: Attributes = {semconv.PARTITION: str(metadata.partition)}
    if acknowledged and metadata.offset >= 0:
        attributes[semconv.KAFKA_OFFSET] = metadata.offset
    return attributes


class Ending:
    """The end of one message's span, when its future is done; `placed` tells where the broker put the record."""

    __slots__ = ("_placed", "_sending")

    def __init__(self, sending: Sending, placed: Callable[[Any], Attributes] = sent) -> None:
        self._sending = sending
        self._placed = placed

    def __call__(self, future: asyncio.Future[Any]) -> None:
        """End it as the future ended. Never raises."""
        try:
            if future.cancelled():
                self._sending.end(asyncio.CancelledError())
            elif (error := failure_of(future)) is not None:
                self._sending.end(error)
            else:
                self._sending.end(attributes=self._placed(future.result()))
        except Exception as failure:
            log_internal_error("the end of a send", failure)


def failure_of(future: asyncio.Future[Any]) -> BaseException | None:
    """Return the exception of a future that is done.

    `exception()` also says that somebody has looked at it, and asyncio would no longer warn about a failure that
    the application ignores.
    """
    missing = object()
    error: Any = getattr(future, "_exception", missing)
    return future.exception() if error is missing else error


def _record_attributes(record: Any) -> Attributes:
    return semconv.kafka_process(record.topic, record.partition, record.offset, record.key, record.value is None)


def _record_timestamp(record: Any) -> float | None:
    milliseconds: int | None = record.timestamp
    return None if milliseconds is None or milliseconds < 0 else milliseconds / 1000


def _no_error(record: Any) -> None:
    """These clients raise their errors; none comes in a record's clothes."""
