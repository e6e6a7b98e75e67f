"""One message on its way to an exchange: its span, its headers, and the block in which the client publishes it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from opentelemetry.trace import INVALID_SPAN

from unbroken.clients.rabbitmq.attributes import publish_attributes, published_to
from unbroken.clients.rabbitmq.frames import fit_frame
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attach, detach

RETURNED = "NO_ROUTE"
"""`error.type` of a message that the broker gives back without saying why."""


def start_publish(exchange: Any, routing_key: Any, headers: Any, describe: Callable[[], Attributes]) -> Sending:
    """Start to publish one message; never raises: the client says itself what is wrong with the arguments."""
    try:
        return start_send(published_to(exchange, routing_key), headers, describe, MAPPING)
    except Exception as failure:
        log_internal_error("publish", failure)
        return Sending(headers, None, INVALID_SPAN)


def start_client_publish(
    exchange: Any,
    routing_key: Any,
    properties: Any,
    server: Callable[[], Attributes],
    frame_max: Callable[[], Any],
) -> Sending:
    """Start to publish one message by a client, whose frames are of a known size; never raises.

    Args:
        exchange: its name.
        routing_key: as it was given.
        properties: what holds the headers and the ids of the message; None where there is nothing.
        server: returns the attributes of the connection.
        frame_max: returns the octets of a frame of the connection; 0 or None where there is no limit.
    """
    headers = getattr(properties, "headers", None)

    def describe() -> Attributes:
        message_id = getattr(properties, "message_id", None)
        correlation_id = getattr(properties, "correlation_id", None)
        return publish_attributes(exchange, routing_key, message_id, correlation_id, server())

    sending = start_publish(exchange, routing_key, headers, describe)
    fit_frame(sending, headers, frame_max)
    return sending


class PublishBlock:
    """A block in which the client publishes: the send span is current, and ends with an exception that leaves it.

    Without one it stays open, for the answer of the broker.
    """

    __slots__ = ("_sending", "_token")

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._token: Any = None

    def __enter__(self) -> None:
        if (inside := self._sending.context) is not None:
            self._token = attach(inside)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
        if error is not None:
            self._sending.end(error)
