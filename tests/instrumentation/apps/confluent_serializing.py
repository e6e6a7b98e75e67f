import sys
from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.deserializing_consumer import DeserializingConsumer
from confluent_kafka.error import ValueDeserializationError
from confluent_kafka.serialization import StringSerializer
from confluent_kafka.serializing_producer import SerializingProducer

from tests.instrumentation.apps.shop import after, first, handle


class Sender(SerializingProducer):
    """A subclass."""


def read(value: bytes, _: Any) -> str:
    if value == b"poison":
        raise ValueError(value)
    return value.decode()


reports = []
bootstrap, topic = sys.argv[1:]
producer = Sender(
    {
        "bootstrap.servers": bootstrap,
        "value.serializer": StringSerializer(),
        "on_delivery": lambda error, _: reports.append(error),
    }
)
for value in ("one", "poison"):
    producer.produce(topic, value=value, partition=0)
producer.flush()
assert reports == [None, None]

consumer = DeserializingConsumer({"bootstrap.servers": bootstrap, "group.id": "shop", "value.deserializer": read})
consumer.assign([TopicPartition(topic, 0, 0)])
message = first(lambda: consumer.poll(0.1))
handle(message.value())
try:
    first(lambda: consumer.poll(0.1))
except ValueDeserializationError:
    handle("poison")
consumer.close()
after()
