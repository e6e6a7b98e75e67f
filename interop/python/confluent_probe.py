"""The probe with confluent-kafka."""

import os
from typing import Any

import confluent_kafka
from confluent_kafka import TopicPartition

from interop.python import probe
from unbroken.clients.confluent_kafka import Consumer, Producer

_SETTINGS = {"bootstrap.servers": os.environ["UNBROKEN_KAFKA"], "client.id": "probe"}


class Client:
    """confluent-kafka."""

    def __init__(self) -> None:
        self._traced, self._plain = Producer(_SETTINGS), confluent_kafka.Producer(_SETTINGS)

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: probe.Headers, *, is_traced: bool
    ) -> None:
        """Write one record; return when the broker has it."""
        producer: Any = self._traced if is_traced else self._plain
        producer.produce(topic, value, key, headers=headers)
        if producer.flush(60):
            raise TimeoutError(f"the broker has not taken the record for {topic}")

    def read(self, topic: str, count: int, group: str) -> tuple[Any, list[Any]]:
        """Return the consumer, and that many messages from the start of the topic."""
        consumer = Consumer({**_SETTINGS, "group.id": group})
        consumer.assign([TopicPartition(topic, 0, 0)])
        messages: list[Any] = consumer.consume(count, timeout=60)
        consumer.close()
        return consumer, messages


if __name__ == "__main__":
    finish = probe.start(os.environ.get("UNBROKEN_OTLP", ""))
    probe.serve(Client(), finish)
