"""The former home of `unbroken.clients.confluent_kafka.aio`."""

from unbroken.clients.confluent_kafka.aio import AIOConsumer, AIOProducer

__all__ = ["AIOConsumer", "AIOProducer"]
