"""confluent-kafka: how its messages are read, and drop-in classes for its producers and consumers.

    from unbroken.clients.confluent_kafka import Consumer, Producer
    from unbroken.clients.confluent_kafka_aio import AIOConsumer, AIOProducer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per message, which ends in the delivery report with partition and offset, or the broker's error.
A consumer knows its group, client id and server: `consumer.process(message)` is `process(message, consumer)`.

`produce_batch` of the client drops all headers (confluent-kafka-python #2320): such messages carry no context, and the
first call says so with a RuntimeWarning.
"""

from unbroken.errors import required

with required("confluent-kafka", "confluent_kafka"):
    from unbroken.clients.confluent_kafka.dropins import (
        Consumer,
        DeserializingConsumer,
        Producer,
        SerializingProducer,
        ShareConsumer,
    )

__all__ = ["Consumer", "DeserializingConsumer", "Producer", "SerializingProducer", "ShareConsumer"]
