"""An application that uses unbroken itself."""

import sys

from confluent_kafka import Consumer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle
from unbroken import process
from unbroken.clients.confluent_kafka import Producer

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(topic, "one", partition=0)
producer.flush()

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
consumer.assign([TopicPartition(topic, 0, 0)])
message = first(lambda: consumer.poll(0.1))
with process(message, consumer):
    handle("one")
consumer.close()
after()
print([name for name, _ in message.headers()])  # noqa: T201 - what the test reads
