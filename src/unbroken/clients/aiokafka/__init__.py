"""aiokafka: how its records are read, and drop-in classes for its producer and consumer.

    from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per `send`, which ends when the future that `send` returned is done: with partition and offset,
or with the error. A consumer knows its group, client id and server: `consumer.process(record)` is
`process(record, consumer)`, for the records of `getone`, `getmany` and `async for`.

A batch of one's own (`create_batch`, `send_batch`) carries the context that is current at each `append`; there is no
span for it, because the topic is known only when the batch is sent.

The client gives headers as a tuple and takes only a list: `forward` returns a list.
"""

from unbroken.errors import required

with required("aiokafka"):
    from unbroken.clients.aiokafka.dropins import AIOKafkaConsumer, AIOKafkaProducer

__all__ = ["AIOKafkaConsumer", "AIOKafkaProducer"]
