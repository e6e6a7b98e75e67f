"""aiokafka: getone, send. Its protocol runs in the same thread, so the bare loop is most of the cost."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, DROP_IN, HAND, OURS
from bench.records import KEY, PRODUCED, USER_HEADERS, VALUE, topic_for
from bench.timing import WARM_UP, Stopwatch


async def getone(consumer: AIOKafkaConsumer, count: int) -> None:
    """The loop that is instrumented from outside, or not at all."""
    for _ in range(count):
        await consumer.getone()


async def getone_by_hand(consumer: AIOKafkaConsumer, count: int) -> None:
    """The loop with stock OpenTelemetry."""
    for _ in range(count):
        message = await consumer.getone()
        by_hand.process(message.topic, message.headers)


async def getone_unbroken(consumer: AIOKafkaConsumer, count: int) -> None:
    """The loop with unbroken."""
    from unbroken import process

    for _ in range(count):
        message = await consumer.getone()
        with process(message):
            pass


async def getone_drop_in(consumer: AIOKafkaConsumer, count: int) -> None:
    """The loop with our consumer, which tells its group and server."""
    from unbroken import process

    for _ in range(count):
        message = await consumer.getone()
        with process(message, consumer):
            pass


async def send(producer: AIOKafkaProducer, count: int) -> None:
    """The loop that is instrumented from outside, by the drop-in class, or not at all."""
    for _ in range(count):
        await producer.send(PRODUCED, VALUE, key=KEY, headers=list(USER_HEADERS), partition=0)
    await producer.flush()


async def send_by_hand(producer: AIOKafkaProducer, count: int) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(count):
        with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
            await producer.send(PRODUCED, VALUE, key=KEY, headers=by_hand.injected(USER_HEADERS), partition=0)
    await producer.flush()


async def send_injecting(producer: AIOKafkaProducer, count: int) -> None:
    """The loop with `inject` and no span."""
    from unbroken import inject

    for _ in range(count):
        await producer.send(PRODUCED, VALUE, key=KEY, headers=inject(USER_HEADERS), partition=0)
    await producer.flush()


RUNS: dict[str, dict[str, Callable[..., Awaitable[None]]]] = {
    "getone": {BARE: getone, HAND: getone_by_hand, OURS: getone_unbroken, DROP_IN: getone_drop_in},
    "send": {BARE: send, HAND: send_by_hand, OURS: send_injecting},
}


def measure(loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> float:
    """Return the microseconds per message in `loop`."""
    return asyncio.run(_measure(loop, contender, condition, bootstrap, messages))


async def _measure(loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> float:
    client = _producer(contender, bootstrap) if loop == "send" else _consumer(contender, bootstrap)
    await client.start()
    if loop == "getone":
        partition = TopicPartition(topic_for(condition), 0)
        client.assign([partition])
        client.seek(partition, 0)
    run = RUNS[loop].get(contender, RUNS[loop][BARE])
    try:
        await run(client, WARM_UP)
        with Stopwatch() as watch:
            await run(client, messages)
    finally:
        await client.stop()
    return watch.seconds / messages * 1e6


def _consumer(contender: str, bootstrap: str) -> AIOKafkaConsumer:
    kind = AIOKafkaConsumer
    if contender == DROP_IN:
        from unbroken.clients.aiokafka import AIOKafkaConsumer as kind  # noqa: N813
    return kind(bootstrap_servers=bootstrap)


def _producer(contender: str, bootstrap: str) -> AIOKafkaProducer:
    kind = AIOKafkaProducer
    if contender == DROP_IN:
        from unbroken.clients.aiokafka import AIOKafkaProducer as kind  # noqa: N813
    return kind(bootstrap_servers=bootstrap)
