"""aiokafka: how its records are read."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

from aiokafka.structs import ConsumerRecord

from unbroken.clients.kafka import attributes
from unbroken.clients.kafka.records import record_type
from unbroken.messaging.message import register
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import Fields, PairsCarrier


class _Headers(PairsCarrier):
    """Headers as the client gives them, a tuple, and written as it takes them, a list."""

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        return list(super().replaced(headers, fields, names))


def client_attributes(client: object, group: object) -> Attributes:
    """Return what a client knows; it keeps its configuration in private attributes, which may go."""
    servers = getattr(client, "_bootstrap_servers", None)
    return attributes.client_attributes(getattr(client, "_client_id", None), group, servers)


def consumer_attributes(consumer: object) -> Attributes:
    """Return what a plain consumer knows."""
    return client_attributes(getattr(consumer, "_client", None), getattr(consumer, "_group_id", None))


register(ConsumerRecord, record_type(_Headers(), consumer_attributes))
