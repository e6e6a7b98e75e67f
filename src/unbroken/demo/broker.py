"""The Kafka that the demo runs on: the one inside the confluent-kafka wheel, or one that runs already."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from unbroken.demo.settings import NAMES, PARTITIONS

_SECONDS_TO_ANSWER = 4.0
_QUIET = {"log_level": 0}


class Unusable(Exception):
    """The demo cannot run on the Kafka at an address."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        super().__init__(bootstrap, reason)
        self.bootstrap = bootstrap
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.bootstrap}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a Kafka is, and what stands in front of the names of the demo's topics there."""

    bootstrap: str
    prefix: str
    is_embedded: bool


@contextmanager
def embedded() -> Generator[Broker, None, None]:
    """Yield librdkafka's mock cluster, fresh, in this process; it ends with the block."""
    owner = Producer({**_QUIET, "test.mock.num.brokers": 1})
    found = owner.list_topics(timeout=_SECONDS_TO_ANSWER).brokers.values()
    for name in NAMES:
        owner.list_topics(name, timeout=_SECONDS_TO_ANSWER)  # makes the topic
    yield Broker(",".join(f"{broker.host}:{broker.port}" for broker in found), "", is_embedded=True)
    del owner


@contextmanager
def running(bootstrap: str) -> Generator[Broker, None, None]:
    """Yield the Kafka at an address, with topics of the demo's own that are deleted afterwards.

    Raises:
        Unusable: nobody answers there, or topics cannot be created.
    """
    admin: Any = AdminClient({**_QUIET, "bootstrap.servers": bootstrap})
    prefix = f"unbroken-demo-{uuid.uuid4().hex[:8]}."
    topics = [prefix + name for name in NAMES]
    try:
        admin.list_topics(timeout=_SECONDS_TO_ANSWER)
    except KafkaException as error:
        raise Unusable(bootstrap, f"no Kafka answers within {_SECONDS_TO_ANSWER:.0f} s") from error
    try:
        made = admin.create_topics([NewTopic(topic, len(PARTITIONS), -1) for topic in topics], request_timeout=10)
        for topic in made.values():
            topic.result(10)
    except (KafkaException, futures.TimeoutError) as error:
        raise Unusable(bootstrap, f"its topics cannot be created: {error}") from error
    try:
        yield Broker(bootstrap, prefix, is_embedded=False)
    finally:
        futures.wait(admin.delete_topics(topics).values(), timeout=10)
