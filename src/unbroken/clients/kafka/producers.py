"""The producer side, in the drop-in classes and under zero code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from opentelemetry.trace import INVALID_SPAN

from unbroken.clients.kafka.attributes import HasClientAttributes, placed_attributes, send_attributes
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error


class TracedProducerMixin(HasClientAttributes):
    """The producer side of a drop-in class."""

    def unbroken_start_send(
        self, topic: str, key: object, value: object, partition: int | None, headers: Any
    ) -> Sending:
        """Start to send one record: its span, not current, and its headers."""
        return start_record(lambda: self.unbroken_attributes, topic, key, value, partition, headers)


def start_record(
    client: Callable[[], Attributes],
    topic: str,
    key: object,
    value: object,
    partition: int | None,
    headers: Any,
    can_carry: bool = True,
) -> Sending:
    """Start to send one record: its span, not current, and its headers. Never raises: the client refuses what is wrong.

    Args:
        client: returns the attributes of the producer.
        topic: where it goes.
        key: on the span, if it has a text.
        value: None for a tombstone.
        partition: the one that the application chose.
        headers: of the application.
        can_carry: False for a broker that has no headers: the record goes out as it is, which its span says.
    """
    try:
        sending = start_send(topic, headers, lambda: send_attributes(topic, partition, key, value is None, client()))
        if not can_carry and sending.headers is not headers:
            written = [name for name, _ in sending.headers or () if name not in dict(headers or ())]
            sending.headers = headers
            sending.leave_out(written, "kafka", "a broker without record headers (Kafka before 0.11)")
    except Exception as failure:
        log_internal_error("send", failure)
        return Sending(headers, None, INVALID_SPAN)
    return sending


class DeliveryCallback:
    """Ends the span of one record when its future is done; `placed` tells where the broker has put the record."""

    __slots__ = ("_placed", "_sending")

    def __init__(self, sending: Sending, placed: Callable[[Any], Attributes] | None = None) -> None:
        self._sending = sending
        self._placed = placed or placed_by

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


def placed_by(metadata: Any, acknowledged: bool = True) -> Attributes:
    """Return what a `RecordMetadata` tells about a record; where none is acknowledged (`acks=0`), no offset."""
    if metadata is None:
        return {}
    return placed_attributes(metadata.partition, metadata.offset if acknowledged else None)


def failure_of(future: asyncio.Future[Any]) -> BaseException | None:
    """Return the exception of a future that is done.

    `exception()` also says that somebody has looked at it, and asyncio would no longer warn about a failure that
    the application ignores.
    """
    missing = object()
    error: Any = getattr(future, "_exception", missing)
    return future.exception() if error is missing else error
