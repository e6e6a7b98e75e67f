import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
for name in ("one", "two", "three"):
    producer.produce(topic, name, partition=0)
producer.flush()

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
consumer.assign([TopicPartition(topic, 0, 0)])
for _ in range(3):
    message = first(lambda: consumer.poll(0.1))
    handle(message.value().decode())
assert consumer.poll(0.1) is None
after()
consumer.close()
