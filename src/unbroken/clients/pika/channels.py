"""What a channel of pika tells about itself and its connection."""

from __future__ import annotations

from typing import Any

from unbroken.clients.rabbitmq.attributes import server_attributes
from unbroken.messaging.semconv import Attributes


def params_of(channel: Any) -> Any:
    """Return the parameters of the connection of a channel, None where it tells none."""
    connection = getattr(channel, "connection", None)
    connection = getattr(connection, "_impl", connection)  # of a BlockingConnection
    return getattr(connection, "params", None)


def server_of(channel: Any) -> Attributes:
    """Return the attributes of the broker that a channel is connected to."""
    params = params_of(channel)
    return server_attributes(getattr(params, "host", None), getattr(params, "port", None))


def is_beneath(channel: Any) -> bool:
    """Return whether a channel is that beneath a `BlockingChannel`, which it holds as its cookie.

    Where the methods of both are patched, the upper one is traced.
    """
    return getattr(channel, "_cookie", None) is not None
