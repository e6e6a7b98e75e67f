import sys

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(topic, "one", partition=0)
producer.flush()


def poll(group: str) -> Consumer:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.assign([TopicPartition(topic, 0, 0)])
    first(lambda: consumer.poll(0.1))
    handle(group)
    return consumer


poll("abandoned")
after()
never_closed = poll("never closed")
