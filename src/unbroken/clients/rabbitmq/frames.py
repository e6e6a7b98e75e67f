"""What has room in a message of RabbitMQ: all its properties, the headers among them, go in one frame.

Neither the clients nor AMQP split them. Over a larger frame the broker closes the connection, and the message is lost:
of a message that only our fields make too large they are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unbroken.clients.rabbitmq.attributes import SYSTEM
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error

_BESIDE_HEADERS = 8 + 14 + 2600
"""Octets of a frame around the headers: its own, a content header's, and the other properties at their largest."""
_LONGEST_NAME = 255
"""Octets of the name of a header."""
_SCALARS = frozenset((int, bool, float, type(None)))


def fit_frame(sending: Sending, given: Any, frame_max: Callable[[], Any]) -> None:
    """Take out of the headers of a message what it has no room for, and say so on its span. Never raises.

    Args:
        sending: its headers are a copy of `given`, with our fields.
        given: the headers of the application, which are sent as they are where nothing of ours has room.
        frame_max: returns the octets of a frame of the connection; 0 or None where there is no limit.
    """
    try:
        if sending.headers is given or _is_small(sending.headers) or not (limit := frame_max()):
            return
        headers: dict[str, Any] = sending.headers
        over = _octets(headers) + _BESIDE_HEADERS - limit
        if over <= 0 and max(map(len, headers)) * 4 <= _LONGEST_NAME:
            return
        before: Mapping[str, Any] = given or {}
        ours = [name for name, value in headers.items() if before.get(name) is not value]
        unfit = {name for name in ours if len(name.encode()) > _LONGEST_NAME}
        limit_met = (
            f"{limit} octets of a frame (AMQP)" if over > 0 else f"{_LONGEST_NAME} octets of a header's name (AMQP)"
        )
        for name in reversed(ours):  # the first of them matter most
            if over <= 0:
                break
            over -= _octets(name) + _octets(headers[name])
            unfit.add(name)
        if unfit:
            kept = {name: value for name, value in headers.items() if name not in unfit}
            sending.headers = kept if len(unfit) < len(ours) else given
            sending.leave_out([name for name in ours if name in unfit], SYSTEM, limit_met)
    except Exception as failure:
        log_internal_error("the size of a message", failure)


def _is_small(headers: dict[Any, Any]) -> bool:
    """Return whether the headers have room in any frame (the smallest has 4096 octets); a quick look is enough."""
    if len(headers) == 1 and "traceparent" in headers:
        return True
    size = 0
    for name, value in headers.items():
        if type(value) is str:
            size += 4 * len(value)
        elif type(value) not in _SCALARS:
            return False
        size += 4 * len(name) + 15
        if len(name) * 4 > _LONGEST_NAME:
            return False
    return size <= 4096 - _BESIDE_HEADERS


def _octets(value: Any) -> int:
    """Return how many octets a value has on the wire, at most."""
    found: Any = value
    if isinstance(value, str):
        return 5 + (len(value) if value.isascii() else len(value.encode("utf-8", "replace")))
    if isinstance(value, (bytes, bytearray)):
        return 5 + len(value)
    if isinstance(value, dict):
        return 5 + sum(_octets(name) + _octets(inner) for name, inner in found.items())
    if isinstance(value, (list, tuple)):
        return 5 + sum(_octets(inner) for inner in found)
    return 10
