"""confluent-kafka's asyncio clients: the public home of the drop-in `AIOProducer` and `AIOConsumer`."""

from unbroken.clients.confluent_kafka.aio import AIOConsumer, AIOProducer

__all__ = ["AIOConsumer", "AIOProducer"]
