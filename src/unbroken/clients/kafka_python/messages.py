"""kafka-python: how its records are read."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

from kafka.consumer.fetcher import ConsumerRecord

from unbroken.clients.kafka import attributes
from unbroken.clients.kafka.records import record_type
from unbroken.messaging.message import register
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import Fields, PairsCarrier


class _Headers(PairsCarrier):
    """Headers as the client gives them, and written as it takes them: a list, an empty value for a null."""

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        written = super().replaced(headers, fields, names)
        return [(name, b"" if value is None else value) for name, value in written]


def client_attributes(client: object) -> Attributes:
    """Return what a client knows."""
    config: dict[str, Any] = getattr(client, "config", {})
    return attributes.client_attributes(
        config.get("client_id"), config.get("group_id"), config.get("bootstrap_servers")
    )


register(ConsumerRecord, record_type(_Headers(), client_attributes))
