"""taskiq's brokers of Kafka and RabbitMQ with a worker each, and the broker in memory for what needs no server."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry import trace

taskiq = pytest.importorskip("taskiq")

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor  # noqa: E402 - only where taskiq is
from aiokafka.partitioner import DefaultPartitioner  # noqa: E402
from taskiq import InMemoryBroker  # noqa: E402
from taskiq.api import run_receiver_task  # noqa: E402
from taskiq_aio_kafka import AioKafkaBroker  # noqa: E402
from taskiq_aio_pika import AioPikaBroker  # noqa: E402
from taskiq_aio_pika.exchange import Exchange  # noqa: E402
from taskiq_aio_pika.queue import Queue  # noqa: E402

from unbroken.testing import Spans  # noqa: E402

PATIENCE = 30.0
"""Seconds after which a test gives up."""


def on_kafka(bootstrap: str, name: str) -> Any:
    """Return a broker on a topic of its own."""
    broker = AioKafkaBroker(bootstrap, kafka_topic=name)
    # Its defaults are classes of kafka-python, which aiokafka does not take since version 3 of that.
    broker.configure_producer(partitioner=DefaultPartitioner())
    assignors = (RoundRobinPartitionAssignor,)
    broker.configure_consumer(auto_offset_reset="earliest", group_id=name, partition_assignment_strategy=assignors)
    return broker


def on_rabbitmq(url: str, name: str) -> Any:
    """Return a broker with a queue of its own, and one in which what waits for a retry is kept."""
    dead = Queue(name=f"{name}.dead")
    return AioPikaBroker(
        url,
        exchange=Exchange(name=name),
        task_queues=[Queue(name=name)],
        dead_letter_queue=dead,
        delay_queue=Queue(name=f"{name}.delay"),
    )


@pytest.fixture
def name() -> str:
    """A topic, or queue, that no other test knows."""
    return f"shop-{uuid.uuid4().hex[:8]}"


@pytest.fixture(params=["kafka", "rabbitmq"])
def broker(request: pytest.FixtureRequest, name: str) -> Any:
    """A broker on each server."""
    if request.param == "kafka":
        return on_kafka(request.getfixturevalue("real_kafka"), name)
    return on_rabbitmq(request.getfixturevalue("rabbitmq"), name)


@pytest.fixture
def memory() -> InMemoryBroker:
    """A broker in memory."""
    return InMemoryBroker()


@asynccontextmanager
async def working(broker: Any) -> AsyncIterator[None]:
    """A block in which the broker sends, and a worker of its own executes."""
    if isinstance(broker, InMemoryBroker):
        await broker.startup()
        try:
            yield
            await broker.wait_all()
        finally:
            await broker.shutdown()
        return
    broker.is_worker_process = True  # reads too: sender and worker are one process here
    await broker.startup()
    worker = asyncio.create_task(run_receiver_task(broker, run_startup=False))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])
        await broker.shutdown()


class Seen:
    """What tasks have seen; `arrived` waits for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def note(self, what: Any = None) -> None:
        """Note a value, or the span that is current."""
        self._queue.put_nowait(trace.get_current_span() if what is None else what)

    async def arrived(self, count: int) -> list[Any]:
        """Return the next values, in order."""
        return [await asyncio.wait_for(self._queue.get(), PATIENCE) for _ in range(count)]


@pytest.fixture
def seen() -> Seen:
    """What tasks have seen."""
    return Seen()


def trace_of(span: Any) -> int:
    """Return the trace that a span is in."""
    number: int = span.get_span_context().trace_id
    return number


def named(spans: Spans, name: str) -> list[Any]:
    """Return the ended spans of a name, in the order in which they ended."""
    return list(spans.named(name))
