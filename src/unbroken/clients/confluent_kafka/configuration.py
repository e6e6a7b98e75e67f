"""confluent-kafka: what the configuration of a client, and its errors, tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import confluent_kafka
from confluent_kafka import KafkaError

from unbroken.clients.kafka import attributes
from unbroken.messaging.semconv import Attributes


def read_configuration(args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration in the arguments of a client's constructor: a mapping, settings by name, or both."""
    settings: dict[str, Any] = dict(named)
    # Its classes in Python call the mapping `conf`, those of asyncio `consumer_conf`.
    given: list[Any] = [*args[:1], settings.pop("conf", None), settings.pop("consumer_conf", None)]
    config: dict[str, Any] = {}
    for mapping in given:
        if isinstance(mapping, Mapping):
            config.update(cast("Mapping[str, Any]", mapping))
    return {**config, **settings}


def client_attributes(config: Mapping[str, Any]) -> Attributes:
    """Return what a configuration tells about its client."""
    servers = config.get("bootstrap.servers") or config.get("metadata.broker.list")
    return attributes.client_attributes(config.get("client.id"), config.get("group.id"), servers)


def error_of(error: BaseException) -> BaseException | str:
    """Return the broker's error code of a KafkaException, as a delivery report would tell it; of others themselves."""
    if isinstance(error, confluent_kafka.KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0].name()
    return error
