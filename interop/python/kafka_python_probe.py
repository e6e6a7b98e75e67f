"""The probe with kafka-python."""

import os
from typing import Any

import kafka

from interop.python import probe
from unbroken.clients.kafka_python import KafkaConsumer, KafkaProducer

_SETTINGS = {"bootstrap_servers": os.environ["UNBROKEN_KAFKA"], "client_id": "probe"}


class Client:
    """kafka-python."""

    def __init__(self) -> None:
        self._traced, self._plain = KafkaProducer(**_SETTINGS), kafka.KafkaProducer(**_SETTINGS)

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: probe.Headers, *, is_traced: bool
    ) -> None:
        """Write one record; return when the broker has it."""
        (self._traced if is_traced else self._plain).send(topic, value, key, headers=headers).get(30)

    def read(self, topic: str, count: int, group: str) -> tuple[Any, list[Any]]:
        """Return the consumer, and that many messages from the start of the topic."""
        consumer = KafkaConsumer(group_id=group, enable_auto_commit=False, **_SETTINGS)
        consumer.assign([kafka.TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        records: list[Any] = []
        while len(records) < count:
            for found in consumer.poll(timeout_ms=1000, max_records=count - len(records)).values():
                records += found
        consumer.close()
        return consumer, records


if __name__ == "__main__":
    finish = probe.start(os.environ.get("UNBROKEN_OTLP", ""))
    probe.serve(Client(), finish)
