"""An application that suppresses its instrumentation, and at last takes it away."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tests.instrumentation.apps.shop import first, handle
from unbroken.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
consumer.assign([TopicPartition(topic, 0, 0)])


def send_and_handle(name: str) -> None:
    producer.produce(topic, name, partition=0)
    producer.flush()
    message = first(lambda: consumer.poll(0.1))
    handle(name)
    print(name, message.headers())  # noqa: T201 - what the test reads


send_and_handle("traced")
with suppress_instrumentation():
    send_and_handle("suppressed")
send_and_handle("open")
ConfluentKafkaInstrumentor().uninstrument()
handle("after uninstrument")
send_and_handle("uninstrumented")
