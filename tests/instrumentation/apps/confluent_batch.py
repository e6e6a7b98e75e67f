import sys

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
for number in range(4):
    producer.produce(topic, f"{number}", partition=0)
producer.flush()

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
consumer.assign([TopicPartition(topic, 0, 0)])
messages: list[Message] = []
while len(messages) < 3:
    records = consumer.consume(3 - len(messages), 1.0)
    messages += records
    handle("the batch")
    for record in records:
        handle((record.value() or b"").decode())
(one,) = first(lambda: consumer.consume(1, 0.1))
handle("one")
consumer.close()
after()
