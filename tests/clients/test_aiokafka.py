"""aiokafka: getone, getmany, `async for`, futures, batches of one's own."""

import asyncio
import gc
from typing import Any

import aiokafka
import pytest
from aiokafka.structs import ConsumerRecord
from opentelemetry import trace

from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, extract, forward, process, receive
from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer


def producing(bootstrap: str, **config: Any) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=bootstrap, client_id="producer", **config)


class Reading:
    """A block with a consumer at the beginning of partition 0."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        self.topic = topic

    async def __aenter__(self) -> AIOKafkaConsumer:
        await self.consumer.start()
        self.consumer.assign([aiokafka.TopicPartition(self.topic, 0)])
        return self.consumer

    async def __aexit__(self, *_: object) -> None:
        await self.consumer.stop()


def record(**fields: Any) -> ConsumerRecord[Any, Any]:
    """A record as the client makes it."""
    given = {"topic": "orders", "partition": 0, "offset": 7, "timestamp": 1, "timestamp_type": 0, "key": None}
    sizes = {"checksum": None, "serialized_key_size": -1, "serialized_value_size": 1}
    return ConsumerRecord(**{**given, "value": b"v", "headers": (), **sizes, **fields})


def trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


async def test_the_drop_in_classes_are_the_classes_of_the_client() -> None:
    assert issubclass(AIOKafkaProducer, aiokafka.AIOKafkaProducer)
    assert issubclass(AIOKafkaConsumer, aiokafka.AIOKafkaConsumer)


async def test_records_of_getone_getmany_and_async_for_are_in_their_traces(
    embedded: str, topic: str, spans: Spans
) -> None:
    sent, seen = [], []
    async with producing(embedded) as producer:
        for _ in range(3):
            with trace.get_tracer("test").start_as_current_span("order"):
                await producer.send_and_wait(topic, b"value", partition=0)
                sent.append(trace_id())
    async with Reading(embedded, topic) as consumer:
        with consumer.process(await consumer.getone()):
            seen.append(trace_id())
        batch = await consumer.getmany(timeout_ms=5000, max_records=1)
        with consumer.receive(batch):
            for records in batch.values():
                for one in records:
                    with consumer.process(one):
                        seen.append(trace_id())
        async for one in consumer:
            with consumer.process(one):
                seen.append(trace_id())
            break
    assert seen == sent


async def test_leaving_async_for_inside_the_block_ends_the_span(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded) as producer:
        await producer.send_and_wait(topic, b"value", partition=0)
    async with Reading(embedded, topic) as consumer:
        async for one in consumer:
            with process(one):
                break
    assert len(spans.processed) == 1


async def test_a_cancelled_handler_ends_its_span(embedded: str, topic: str, spans: Spans) -> None:
    async def handle() -> None:
        with process(record()):
            await asyncio.sleep(60)

    task = asyncio.create_task(handle())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(spans.processed) == 1


async def test_send_and_wait_makes_one_span(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded) as producer:
        await producer.send_and_wait(topic, b"value")
    assert len(spans.sent) == 1


async def test_send_and_wait_returns_what_the_broker_told(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded) as producer:
        metadata = await producer.send_and_wait(topic, b"value", partition=0)
    assert (metadata.topic, metadata.partition, metadata.offset) == (topic, 0, 0)


async def test_a_cancelled_future_ends_its_span(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded, linger_ms=500) as producer:
        future = await producer.send(topic, b"value")
        future.cancel()
        await producer.flush()
    assert (spans.sent[0].attributes or {})["error.type"] == "asyncio.exceptions.CancelledError"


async def test_a_send_without_acknowledgement_ends_its_span(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded, acks=0) as producer:
        await (await producer.send(topic, b"value"))
    assert "messaging.kafka.offset" not in (spans.sent[0].attributes or {})


async def test_a_failure_that_nobody_looks_at_is_still_said_by_asyncio(spans: Spans) -> None:
    from unbroken.clients.kafka.producers import DeliveryCallback
    from unbroken.messaging.send import start_send

    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context["message"]))
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.add_done_callback(DeliveryCallback(start_send("orders", None, dict)))
    future.set_exception(LookupError("no"))
    await asyncio.sleep(0)
    del future
    gc.collect()
    assert said == ["Future exception was never retrieved"]


async def test_a_serializer_runs_inside_the_send_span(embedded: str, topic: str, spans: Spans) -> None:
    seen = []

    def serialize(value: bytes) -> bytes:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return value

    async with producing(embedded, value_serializer=serialize) as producer:
        await producer.send_and_wait(topic, b"value")
    assert seen == [context_of(spans.sent[0]).span_id]


async def test_each_record_of_a_batch_carries_the_context_of_its_append(
    embedded: str, topic: str, spans: Spans
) -> None:
    sent, seen = [], []
    async with producing(embedded) as producer:
        batch = producer.create_batch()
        for number in range(3):
            with trace.get_tracer("test").start_as_current_span("order"):
                assert batch.append(timestamp=None, key=None, value=b"%d" % number) is not None
                sent.append(trace_id())
        await (await producer.send_batch(batch, topic, partition=0))
    async with Reading(embedded, topic) as consumer:
        for _ in range(3):
            with process(await consumer.getone()):
                seen.append(trace_id())
    assert seen == sent


async def test_the_headers_of_a_batch_go_with_the_context(embedded: str, topic: str, spans: Spans) -> None:
    async with producing(embedded) as producer:
        batch = producer.create_batch()
        with trace.get_tracer("test").start_as_current_span("order"):
            batch.append(timestamp=None, key=None, value=b"v", headers=[("tenant", b"a")])
        await (await producer.send_batch(batch, topic, partition=0))
    async with Reading(embedded, topic) as consumer:
        one = await consumer.getone()
    assert [name for name, _ in one.headers] == ["tenant", "traceparent"]


async def test_a_batch_is_a_batch_of_the_client(embedded: str) -> None:
    from aiokafka.producer.message_accumulator import BatchBuilder

    async with producing(embedded) as producer:
        assert isinstance(producer.create_batch(), BatchBuilder)


def test_what_forward_gives_can_be_sent() -> None:
    assert type(forward(record(headers=(("tenant", b"a"), ("null", None))))) is list


def test_a_null_header_is_forwarded_as_null() -> None:
    assert forward(record(headers=(("null", None),)))[0] == ("null", None)


def test_a_record_is_read_by_extract() -> None:
    headers = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    context = extract(record(headers=headers))
    assert trace.get_current_span(context).get_span_context().span_id == 0xB7AD6B7169203331


def test_a_key_that_was_deserialized_to_an_object_is_left_out(spans: Spans) -> None:
    with process(record(key={"id": 1})):
        pass
    assert "messaging.kafka.message.key" not in (spans.processed[0].attributes or {})


def test_the_key_is_left_out_where_the_policy_says_so(spans: Spans) -> None:
    before = configure(Policy(message_key=False))
    try:
        with process(record(key=b"secret")):
            pass
    finally:
        configure(before)
    assert "messaging.kafka.message.key" not in (spans.processed[0].attributes or {})


def test_a_record_without_a_time_is_processed(spans: Spans) -> None:
    with process(record(timestamp=-1)):
        pass
    assert len(spans.processed) == 1


def test_records_of_one_batch_are_linked_with_what_differs(spans: Spans) -> None:
    headers = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    with receive([record(headers=headers, offset=3), record(headers=headers, offset=4)]):
        pass
    offsets = [(link.attributes or {})["messaging.kafka.offset"] for link in spans.named("poll orders").links]
    assert offsets == [3, 4]
