"""Many threads and tasks at once: every record's process span is in the trace in which the record was sent."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition
from opentelemetry import trace

from tests.faults.events import current_trace, is_clean
from tests.faults.mock_cluster import MockCluster
from tests.faults.spans import attribute, processed, sent, trace_of
from unbroken import BoundExecutor, bind
from unbroken.clients.confluent_kafka import Consumer, Producer
from unbroken.testing import Spans

PARTITIONS = 4
PRODUCERS = 6
RECORDS = 200
"""How many records each producing thread or task sends to each partition in turn."""
TOTAL = PRODUCERS * RECORDS
SECONDS = 30.0

Handled = tuple[str, str]
"""The trace in which a record was sent, and the one that was current in its handler."""


def test_threads_that_share_a_producer_and_hand_on_to_threads(cluster: MockCluster, spans: Spans) -> None:
    topic, tracer = cluster.create("threads", PARTITIONS), trace.get_tracer(__name__)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    start = threading.Barrier(PRODUCERS + PARTITIONS)

    def produce() -> None:
        start.wait(SECONDS)
        for number in range(RECORDS):
            with tracer.start_as_current_span("order"):
                producer.produce(topic, current_trace(), partition=number % PARTITIONS)
            producer.poll(0)
            assert is_clean()
        assert producer.flush(SECONDS) == 0

    def consume(partition: int, workers: Executor) -> list[Future[Handled]]:
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "threads"})
        consumer.assign([TopicPartition(topic, partition, 0)])
        start.wait(SECONDS)
        handled: list[Future[Handled]] = []
        with closing(consumer):
            while len(handled) < TOTAL // PARTITIONS:
                messages = consumer.consume(20, SECONDS)
                assert messages, f"partition {partition}: {len(handled)} records, no more within {SECONDS} s"
                with consumer.receive(messages):
                    for message in messages:
                        with consumer.process(message):
                            handled.append(workers.submit(handle, message))
                assert is_clean()
        return handled

    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(PRODUCERS + PARTITIONS) as loops:
        producing = [loops.submit(produce) for _ in range(PRODUCERS)]
        consuming = [loops.submit(consume, partition, BoundExecutor(pool)) for partition in range(PARTITIONS)]
        for loop in producing:
            loop.result()
        assert_traces_hold([future.result() for loop in consuming for future in loop.result()], spans)
        assert all(future.result() for future in [pool.submit(is_clean) for _ in range(100)])


def test_threads_of_one_message_each_run_in_its_trace(cluster: MockCluster, spans: Spans) -> None:
    topic, tracer = cluster.create("bound"), trace.get_tracer(__name__)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for _ in range(100):
        with tracer.start_as_current_span("order"):
            producer.produce(topic, current_trace())
    assert producer.flush(SECONDS) == 0
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "bound"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    handled: list[Handled] = []
    threads: list[threading.Thread] = []

    def note(message: Message) -> None:
        handled.append(handle(message))

    with closing(consumer):
        for _ in range(100):
            message = consumer.poll(SECONDS)
            assert message is not None
            with consumer.process(message):
                threads.append(threading.Thread(target=bind(note), args=(message,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handled) == 100
    assert [pair for pair in handled if pair[0] != pair[1]] == []


async def test_tasks_that_share_a_producer_and_hand_on_to_tasks(
    cluster: MockCluster, spans: Spans, asyncio_clients: ModuleType
) -> None:
    topic, tracer = cluster.create("tasks", PARTITIONS), trace.get_tracer(__name__)

    async def produce(producer: Any) -> None:
        delivered: list[asyncio.Future[Any]] = []
        for number in range(RECORDS):
            with tracer.start_as_current_span("order"):
                partition = number % PARTITIONS
                delivered.append(await producer.produce(topic, current_trace(), partition=partition))
            assert is_clean()
        await asyncio.wait_for(asyncio.gather(*delivered), SECONDS)

    async def consume(partition: int) -> list[asyncio.Task[Handled]]:
        handled: list[asyncio.Task[Handled]] = []
        async with asyncio_clients.AIOConsumer(
            {"bootstrap.servers": cluster.bootstrap, "group.id": "tasks"}
        ) as consumer:
            await consumer.assign([TopicPartition(topic, partition, 0)])
            while len(handled) < TOTAL // PARTITIONS:
                message = await consumer.poll(SECONDS)
                assert message is not None, f"partition {partition}: {len(handled)} records, no more within {SECONDS} s"
                with consumer.process(message):
                    await asyncio.sleep(0)
                    handled.append(asyncio.create_task(handle_later(message)))
                assert is_clean()
        return handled

    async with asyncio_clients.AIOProducer({"bootstrap.servers": cluster.bootstrap}) as producer:
        consuming = [asyncio.create_task(consume(partition)) for partition in range(PARTITIONS)]
        await asyncio.gather(*(produce(producer) for _ in range(PRODUCERS)))
        handled = [await task for tasks in await asyncio.gather(*consuming) for task in tasks]
    assert_traces_hold(handled, spans)


async def test_tasks_of_aiokafka(cluster: MockCluster, spans: Spans) -> None:
    aiokafka = pytest.importorskip("aiokafka")
    from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    topic, tracer = cluster.create("aiokafka", PARTITIONS), trace.get_tracer(__name__)

    async def produce(producer: AIOKafkaProducer) -> None:
        for number in range(RECORDS):
            with tracer.start_as_current_span("order"):
                await producer.send(topic, current_trace().encode(), partition=number % PARTITIONS)
            assert is_clean()

    async def consume(partition: int) -> list[asyncio.Task[Handled]]:
        handled: list[asyncio.Task[Handled]] = []
        async with AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest") as consumer:
            consumer.assign([aiokafka.TopicPartition(topic, partition)])
            async for record in consumer:
                with consumer.process(record):
                    await asyncio.sleep(0)
                    handled.append(asyncio.create_task(decoded_later(record.value)))
                assert is_clean()
                if len(handled) == TOTAL // PARTITIONS:
                    break
        return handled

    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        consuming = [asyncio.create_task(consume(partition)) for partition in range(PARTITIONS)]
        await asyncio.gather(*(produce(producer) for _ in range(PRODUCERS)))
        await producer.flush()
        loops = await asyncio.wait_for(asyncio.gather(*consuming), SECONDS)
    assert_traces_hold([await task for tasks in loops for task in tasks], spans)


def handle(message: Message) -> Handled:
    value = message.value()
    assert value is not None
    return value.decode(), current_trace()


async def handle_later(message: Message) -> Handled:
    await asyncio.sleep(0)
    return handle(message)


async def decoded_later(value: bytes) -> Handled:
    await asyncio.sleep(0)
    return value.decode(), current_trace()


def assert_traces_hold(handled: list[Handled], spans: Spans) -> None:
    assert len(handled) == TOTAL
    assert [pair for pair in handled if pair[0] != pair[1]] == []
    created = Counter(int(pair[0], 16) for pair in handled)
    assert len(created) == TOTAL
    assert Counter(trace_of(span) for span in processed(spans)) == created
    assert Counter(trace_of(span) for span in sent(spans)) == created
    assert [span for span in sent(spans) if attribute(span, "messaging.kafka.offset") is None] == []
