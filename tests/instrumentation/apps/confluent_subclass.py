import sys
from typing import Any

import confluent_kafka
from confluent_kafka import TopicPartition

from tests.instrumentation.apps.shop import after, first, handle


class Sender(confluent_kafka.Producer):
    def send(self, topic: str, value: str) -> None:
        self.produce(topic, value, partition=0, headers={"kind": b"order"})
        self.flush()


class Reader(confluent_kafka.Consumer):
    def __init__(self, config: dict[str, Any], topic: str) -> None:
        super().__init__(config)
        self.assign([TopicPartition(topic, 0, 0)])

    def poll(self, timeout: float = 1.0) -> Any:
        message = super().poll(timeout)
        return message if message is None or message.error() is None else None


bootstrap, topic = sys.argv[1:]
Sender({"bootstrap.servers": bootstrap}).send(topic, "one")
consumer = Reader({"bootstrap.servers": bootstrap, "group.id": "shop"}, topic)
message = first(lambda: consumer.poll(0.1))
handle("one")
consumer.close()
after()
print([name for name, _ in message.headers()])  # noqa: T201 - what the test reads
print(isinstance(consumer, confluent_kafka.Consumer), issubclass(Reader, confluent_kafka.Consumer))  # noqa: T201
