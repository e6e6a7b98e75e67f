"""kafka-python: its iterator and poll, callbacks and errbacks, records that are tuples, headers that it cannot send."""

from collections.abc import Iterator
from typing import Any

import kafka
import pytest
from kafka.consumer.fetcher import ConsumerRecord
from opentelemetry import trace

from tests.contract.clients import KafkaPython
from tests.contract.conftest import Spans, context_of
from unbroken import extract, forward, inject, process
from unbroken.clients.kafka_python import KafkaConsumer, KafkaProducer

TRACEPARENT = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def settings(bootstrap: str) -> dict[str, Any]:
    return {"bootstrap_servers": bootstrap, "api_version": (2, 0)}


@pytest.fixture
def producer(embedded: str) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(**settings(embedded))
    yield producer
    producer.close()


@pytest.fixture
def consumer(embedded: str, topic: str) -> Iterator[KafkaConsumer]:
    consumer = KafkaConsumer(**settings(embedded), auto_offset_reset="earliest", consumer_timeout_ms=10_000)
    consumer.assign([kafka.TopicPartition(topic, 0)])
    yield consumer
    consumer.close()


def record(**fields: Any) -> Any:
    """A record as the client makes it."""
    given = {"topic": "orders", "partition": 0, "offset": 7, "timestamp": 1, "value": b"v", "headers": []}
    return ConsumerRecord(**{**dict.fromkeys(ConsumerRecord._fields), **given, **fields})


def trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


def test_the_drop_in_classes_are_the_classes_of_the_client() -> None:
    assert issubclass(KafkaProducer, kafka.KafkaProducer)
    assert issubclass(KafkaConsumer, kafka.KafkaConsumer)


def test_records_of_the_iterator_and_of_poll_are_in_their_traces(
    producer: KafkaProducer, consumer: KafkaConsumer, topic: str, spans: Spans
) -> None:
    sent, seen = [], []
    for _ in range(2):
        with trace.get_tracer("test").start_as_current_span("order"):
            producer.send(topic, b"value", partition=0).get(10)
            sent.append(trace_id())
    batch = consumer.poll(timeout_ms=10_000, max_records=1)
    with consumer.receive(batch):
        for records in batch.values():
            for one in records:
                with consumer.process(one):
                    seen.append(trace_id())
    for one in consumer:
        with consumer.process(one):
            seen.append(trace_id())
            break
    assert seen == sent


def test_the_callbacks_of_the_application_are_called_with_their_arguments(
    producer: KafkaProducer, topic: str, spans: Spans
) -> None:
    calls: list[tuple[Any, ...]] = []
    future = producer.send(topic, b"value", partition=0)
    future.add_callback(lambda mark, metadata: calls.append((mark, metadata.offset)), "mark")
    future.add_errback(calls.append)
    future.get(10)
    producer.flush(10)
    assert calls == [("mark", 0)]


def test_the_errbacks_of_the_application_are_called(real_kafka: str, topic: str, spans: Spans) -> None:
    calls: list[Any] = []
    client = KafkaPython(real_kafka, embedded=False)
    client.create_topic(topic, max_message_bytes=1000)
    future = client.producer.send(topic, b"x" * 5000, partition=0)
    future.add_callback(calls.append)
    future.add_errback(lambda mark, error: calls.append((mark, type(error).__name__)), "mark")
    with pytest.raises(kafka.errors.MessageSizeTooLargeError):
        future.get(10)
    client.close()
    assert calls == [("mark", "MessageSizeTooLargeError")]


def test_a_send_without_acknowledgement_ends_its_span(embedded: str, topic: str, spans: Spans) -> None:
    producer = KafkaProducer(**settings(embedded), acks=0)
    producer.send(topic, b"value").get(10)
    producer.close()
    assert "messaging.kafka.offset" not in (spans.sent[0].attributes or {})


def test_a_serializer_runs_inside_the_send_span(producer: KafkaProducer, topic: str, spans: Spans) -> None:
    seen = []

    def serialize(*arguments: Any) -> bytes:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return b"value"

    producer.config["value_serializer"] = serialize if not hasattr(kafka, "Serializer") else _Serializer(serialize)
    producer.send(topic, b"value").get(10)
    assert seen == [context_of(spans.sent[0]).span_id]


class _Serializer(getattr(kafka, "Serializer", object)):  # type: ignore[misc]
    """What this version of the client wants for a serializer."""

    def __init__(self, serialize: Any) -> None:
        self._serialize = serialize

    def serialize(self, *arguments: Any, **named: Any) -> bytes:
        value: bytes = self._serialize()
        return value


def test_a_record_is_read_as_a_message_although_it_is_a_tuple() -> None:
    context = extract(record(headers=[TRACEPARENT]))
    assert trace.get_current_span(context).get_span_context().span_id == 0xB7AD6B7169203331


def test_a_record_is_processed_although_it_is_a_tuple(spans: Spans) -> None:
    with process(record(headers=[TRACEPARENT])) as span:
        assert span.get_span_context().trace_id == 0x0AF7651916CD43DD8448EB211C80319C


def test_a_null_header_is_forwarded_as_an_empty_one() -> None:
    assert forward(record(headers=[("null", None), ("tenant", b"a")]))[:2] == [("null", b""), ("tenant", b"a")]


def test_forward_does_not_change_the_record() -> None:
    one = record(headers=[("null", None)])
    forward(one)
    assert one.headers == [("null", None)]


def test_what_the_client_refuses_is_refused_as_before(producer: KafkaProducer, topic: str, spans: Spans) -> None:
    with pytest.raises((TypeError, AssertionError)):
        producer.send(topic, b"value", headers=[("null", None)])


def test_headers_that_were_injected_can_be_sent(
    producer: KafkaProducer, consumer: KafkaConsumer, topic: str, spans: Spans
) -> None:
    with trace.get_tracer("test").start_as_current_span("order"):
        producer.send(topic, b"value", headers=inject([("tenant", b"a")]), partition=0).get(10)
    assert [name for name, _ in next(consumer).headers] == ["tenant", "traceparent"]
