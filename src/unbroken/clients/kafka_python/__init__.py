"""kafka-python: how its records are read, and drop-in classes for its producer and consumer.

    from unbroken.clients.kafka_python import KafkaConsumer, KafkaProducer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per `send`, which ends when the future that `send` returned is done: with partition and offset,
or with the error; callbacks and errbacks are the application's own. A consumer knows its group, client id and server:
`consumer.process(record)` is `process(record, consumer)`, for the records of the iterator and of `poll`.

The client gives a null header as `None` and refuses to send one (TypeError). So that no dead-letter publish is lost,
`forward` returns an empty value in its place.
"""

from unbroken.errors import required

with required("kafka-python", "kafka"):
    from unbroken.clients.kafka_python.dropins import KafkaConsumer, KafkaProducer

__all__ = ["KafkaConsumer", "KafkaProducer"]
