import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
with Producer({"bootstrap.servers": bootstrap}) as producer:
    producer.produce(topic, "one", partition=0)

with Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"}) as consumer:
    consumer.assign([TopicPartition(topic, 0, 0)])
    first(lambda: consumer.poll(0.1))
    handle("one")
after()
