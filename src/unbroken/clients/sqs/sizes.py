"""The size of a message, as SQS counts it, and how much room it leaves for our attributes."""

from __future__ import annotations

from typing import Any

from unbroken.propagation.carriers import ATTRIBUTES, AttributesCarrier, Fields, Names

SIZE_LIMITS = (262_144, 1_048_576)
"""Octets of a message, or of a whole batch: what SQS took until August 2025 (other servers still do), and takes now."""


def carrier_for_size(size: int) -> AttributesCarrier:
    """Return the carrier for messages of this size: we must not be what makes them too large."""
    for limit in SIZE_LIMITS:
        if size <= limit:
            return _SizedAttributes(limit - size, f"{limit} octets of a message or batch (SQS)")
    return ATTRIBUTES  # too large already


def size_of(message: dict[str, Any]) -> int:
    """Return the size of a message as SQS counts it: body and attributes, with their names and types."""
    size = _octets(message.get("MessageBody"))
    attributes: dict[str, dict[str, object]] = message.get("MessageAttributes") or {}
    for name, attribute in attributes.items():
        size += _octets(name) + sum(map(_octets, attribute.values()))
    return size


def _octets(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, (bytes, bytearray)) else 0


class _SizedAttributes(AttributesCarrier):
    """The attributes of messages that together may hold so many more octets; what does not fit is left out."""

    def __init__(self, octets: int, limit: str) -> None:
        self._octets = octets
        self._limit = limit

    def replaced(self, headers: Any, fields: Fields, names: Names) -> Any:
        fitting: Fields = []
        for name, value in fields:
            length = len(name) + len("String") + len(value)
            if length <= self._octets:
                self._octets -= length
                fitting.append((name, value))
            else:
                self.limit_met = self._limit
        return super().replaced(headers, fitting, names)
