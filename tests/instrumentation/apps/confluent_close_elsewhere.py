import sys
import threading

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.instrumentation.apps.shop import after, first, handle, tracer

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce(topic, "one", partition=0)
producer.flush()


def consumer() -> Consumer:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    return consumer


def close(consumer: Consumer) -> None:
    with tracer.start_as_current_span("closing"):
        consumer.close()
        handle("in the other thread")


closed = consumer()
first(lambda: closed.poll(0.1))
handle("one")
thread = threading.Thread(target=close, args=(closed,))
thread.start()
thread.join()

other = consumer()
first(lambda: other.poll(0.1))
handle("one again")
other.close()
after()
