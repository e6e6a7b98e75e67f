import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
consumers = []
for side in ("left", "right"):
    for number in range(2):
        producer.produce(f"{topic}-{side}", f"{side} {number}", partition=0)
    producer.flush()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": side})
    consumer.assign([TopicPartition(f"{topic}-{side}", 0, 0)])
    consumers.append(consumer)

for _ in range(2):
    for consumer in consumers:
        message = first(lambda: consumer.poll(0.1))  # noqa: B023
        handle(message.value().decode())
consumers[0].close()
handle("after the left one")
consumers[1].close()
after()
