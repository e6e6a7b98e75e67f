"""The shapes in which clients hold headers, one carrier per wire: read the pairs, replace fields, keep the shape.

A carrier reads without changing and writes a copy: the user's headers stay in order, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from unbroken.errors import UnknownCarrier

Pairs = Iterable[tuple[Any, Any]]
Fields = list[tuple[str, bytes]]
"""What propagation writes: names and ASCII octets, in order."""


class Carrier(Protocol):
    """How one wire holds headers."""

    def pairs(self, headers: Any) -> Pairs:
        """Return the headers as pairs of name and value, in order."""

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        """Return a copy in the same shape without the `names` (lower case) and with the `fields` at its end."""


class PairsCarrier:
    """Headers as a list or tuple of `(name, bytes)`: the Kafka wire. None is an empty list."""

    def pairs(self, headers: Any) -> Pairs:
        return headers or ()

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        if not headers:
            return tuple(fields) if isinstance(headers, tuple) else fields
        try:
            kept = [pair for pair in headers if pair[0].lower() not in names]
        except Exception:  # what is no pair of name and value is none of ours: kept
            kept = [pair for pair in headers if not _is_named(pair, names)]
        kept += fields
        return tuple(kept) if isinstance(headers, tuple) else kept


class MappingCarrier:
    """Headers as a mapping of text: what confluent-kafka takes as a dict, and the AMQP wire."""

    def pairs(self, headers: Any) -> Pairs:
        return headers.items() if headers else ()

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        kept = {name: value for name, value in (headers or {}).items() if not _is_named((name,), names)}
        kept.update((name, value.decode("ascii")) for name, value in fields)
        return kept


PAIRS = PairsCarrier()
MAPPING = MappingCarrier()


def carrier_of(headers: object) -> Carrier:
    """Return the carrier for headers of this shape; None is the Kafka wire.

    Raises:
        UnknownCarrier: neither a list, a tuple, a mapping nor None.
    """
    if headers is None or isinstance(headers, (list, tuple)):
        return PAIRS
    if isinstance(headers, Mapping):
        return MAPPING
    raise UnknownCarrier(headers)


def _is_named(pair: Any, names: frozenset[str | bytes]) -> bool:
    try:
        name = pair[0]
    except (TypeError, IndexError, KeyError):
        return False
    return isinstance(name, (str, bytes)) and name.lower() in names
