"""FastStream: subscribers of its brokers and a publish; contrib is its own TelemetryMiddleware. Nothing is logged."""

import asyncio
from collections.abc import Callable
from typing import Any

from bench.contenders import CONTRIB, OURS
from bench.filling import PRODUCED, QUEUE
from bench.records import MAPPED_HEADERS, VALUE, topic_for
from bench.timing import Laps

Subscribed = Callable[[Any], Any]


async def consumed(broker: Any, subscriber: Subscribed, laps: Laps) -> None:
    """Run a handler that does nothing until it has seen every message."""
    finished = asyncio.Event()

    @subscriber
    async def handle(body: bytes) -> None:  # noqa: ARG001
        if laps.is_last():
            finished.set()

    async with broker:
        await broker.start()
        await finished.wait()


async def published(broker: Any, laps: Laps) -> None:
    """Publish, and wait for the confirmation of each message."""
    async with broker:
        for _ in range(laps.total):
            await broker.publish(VALUE, PRODUCED, headers=dict(MAPPED_HEADERS))
            laps.is_last()


async def kafka(contender: str, condition: str, address: str, laps: Laps) -> None:
    """The broker that runs on aiokafka."""
    from faststream.kafka import KafkaBroker, TopicPartition

    broker = KafkaBroker(address, middlewares=_middlewares("kafka", contender), logger=None)
    partition = TopicPartition(topic_for(condition), 0)
    await consumed(broker, broker.subscriber(partitions=[partition], auto_offset_reset="earliest"), laps)


async def confluent(contender: str, condition: str, address: str, laps: Laps) -> None:
    """The broker that runs on confluent-kafka."""
    from faststream.confluent import KafkaBroker, TopicPartition

    middlewares = _middlewares("confluent", contender)
    # The embedded broker never answers a request to create topics: it would be waited for.
    broker = KafkaBroker(address, middlewares=middlewares, logger=None, allow_auto_create_topics=False)
    partition = TopicPartition(topic_for(condition), 0, 0)
    await consumed(broker, broker.subscriber(partitions=[partition], auto_offset_reset="earliest"), laps)


async def rabbit(contender: str, condition: str, address: str, laps: Laps) -> None:  # noqa: ARG001
    """The broker that runs on aio-pika; each message is acknowledged."""
    from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

    broker = RabbitBroker(
        address, middlewares=_middlewares("rabbit", contender), logger=None, default_channel=Channel(prefetch_count=100)
    )
    await consumed(broker, broker.subscriber(RabbitQueue(QUEUE, durable=True)), laps)


async def rabbit_publish(contender: str, condition: str, address: str, laps: Laps) -> None:  # noqa: ARG001
    """A publish with the confirmation of the broker."""
    from faststream.rabbit import RabbitBroker

    await published(RabbitBroker(address, middlewares=_middlewares("rabbit", contender), logger=None), laps)


RUNS = {
    "Kafka subscriber": kafka,
    "Confluent subscriber": confluent,
    "RabbitMQ subscriber": rabbit,
    "publish to RabbitMQ": rabbit_publish,
}


def measure(loop: str, contender: str, condition: str, address: str, messages: int) -> float:
    """Return the microseconds per message in `loop`."""
    laps = Laps(messages)
    asyncio.run(RUNS[loop](contender, condition, address, laps))
    return laps.microseconds


def _middlewares(broker: str, contender: str) -> tuple[Any, ...]:
    if contender == OURS:
        from unbroken.frameworks.faststream import UnbrokenMiddleware

        return (UnbrokenMiddleware,)
    if contender != CONTRIB:
        return ()
    if broker == "kafka":
        from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware as Telemetry
    elif broker == "confluent":
        from faststream.confluent.opentelemetry import KafkaTelemetryMiddleware as Telemetry
    else:
        from faststream.rabbit.opentelemetry import RabbitTelemetryMiddleware as Telemetry
    return (Telemetry(),)
