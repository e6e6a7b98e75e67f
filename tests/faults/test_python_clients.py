"""What the broker refuses, by the clients written in Python: their own errors, and one span that tells of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaError
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from tests.faults.events import is_clean
from tests.faults.mock_cluster import PRODUCE, MockCluster
from tests.faults.spans import attribute, sent
from unbroken.testing import Spans

SECONDS = 30.0
REFUSALS = {
    "MSG_SIZE_TOO_LARGE": "MessageSizeTooLargeError",
    "TOPIC_AUTHORIZATION_FAILED": "TopicAuthorizationFailedError",
}
"""What the clients call an error of the broker."""

refusals = pytest.mark.parametrize(("code", "name"), REFUSALS.items(), ids=list(REFUSALS))


@refusals
async def test_aiokafka_raises_a_refusal_and_its_span_has_it(
    code: str, name: str, cluster: MockCluster, spans: Spans
) -> None:
    aiokafka = pytest.importorskip("aiokafka")
    from unbroken.clients.aiokafka import AIOKafkaProducer

    topic, raised = cluster.create("refused"), []
    for kind in (aiokafka.AIOKafkaProducer, AIOKafkaProducer):
        async with kind(bootstrap_servers=cluster.bootstrap) as producer:
            cluster.fail_next(PRODUCE, getattr(KafkaError, code))
            with pytest.raises(aiokafka.errors.KafkaError) as caught:
                await asyncio.wait_for(producer.send_and_wait(topic, b"value"), SECONDS)
            raised.append(type(caught.value))
    assert raised[0] is raised[1]
    assert raised[0].__name__ == name
    (span,) = sent(spans)
    assert attribute(span, "error.type") == f"aiokafka.errors.{name}"
    assert span.status.status_code is StatusCode.ERROR
    assert is_clean()


async def test_aiokafka_has_one_span_for_a_record_that_is_sent_again(cluster: MockCluster, spans: Spans) -> None:
    pytest.importorskip("aiokafka")
    from unbroken.clients.aiokafka import AIOKafkaProducer

    topic = cluster.create("retried")
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        cluster.fail_next(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION)
        metadata = await asyncio.wait_for(producer.send_and_wait(topic, b"value"), SECONDS)
    assert metadata.offset == 0
    (span,) = sent(spans)
    assert attribute(span, "messaging.kafka.offset") == 0
    assert span.status.status_code is StatusCode.UNSET


async def test_aiokafka_ends_the_span_of_a_record_whose_future_is_cancelled(cluster: MockCluster, spans: Spans) -> None:
    pytest.importorskip("aiokafka")
    from unbroken.clients.aiokafka import AIOKafkaProducer

    topic = cluster.create("cancelled")
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap) as producer:
        cluster.answer_after(300)
        future = await producer.send(topic, b"value")
        future.cancel()
    (span,) = sent(spans)
    assert attribute(span, "error.type") == "asyncio.exceptions.CancelledError"


@refusals
def test_kafka_python_raises_a_refusal_and_its_span_has_it(
    code: str, name: str, cluster: MockCluster, spans: Spans
) -> None:
    kafka = pytest.importorskip("kafka")
    from unbroken.clients.kafka_python import KafkaProducer

    topic, raised = cluster.create("refused"), []
    seen: list[Exception] = []
    for kind in (kafka.KafkaProducer, KafkaProducer):
        with kafka_python(kind, cluster) as producer:
            cluster.fail_next(PRODUCE, getattr(KafkaError, code))
            future = producer.send(topic, b"value")
            future.add_errback(seen.append)
            with pytest.raises(kafka.errors.KafkaError) as caught:
                future.get(SECONDS)
            raised.append(type(caught.value))
    assert raised[0] is raised[1]
    assert raised[0].__name__ == name
    assert [type(error) for error in seen] == raised
    (span,) = sent(spans)
    assert attribute(span, "error.type") == f"kafka.errors.{name}"
    assert span.status.status_code is StatusCode.ERROR


def test_kafka_python_has_one_span_for_a_record_that_is_sent_again(cluster: MockCluster, spans: Spans) -> None:
    pytest.importorskip("kafka")
    from unbroken.clients.kafka_python import KafkaProducer

    topic = cluster.create("retried")
    with kafka_python(KafkaProducer, cluster, retries=5) as producer:
        cluster.fail_next(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION)
        assert producer.send(topic, b"value").get(SECONDS).offset == 0
    (span,) = sent(spans)
    assert attribute(span, "messaging.kafka.offset") == 0
    assert span.status.status_code is StatusCode.UNSET


def test_kafka_python_ends_the_span_of_a_record_that_it_has_no_room_for(cluster: MockCluster, spans: Spans) -> None:
    kafka = pytest.importorskip("kafka")
    from unbroken.clients.kafka_python import KafkaProducer

    topic = cluster.create("too-large")
    with kafka_python(KafkaProducer, cluster, max_request_size=1000) as producer:
        future, failure = outcome(lambda: producer.send(topic, bytes(2000)))
        if failure is None:
            _, failure = outcome(lambda: future.get(SECONDS))
        assert isinstance(failure, kafka.errors.MessageSizeTooLargeError)
        assert producer.send(topic, b"small").get(SECONDS).offset == 0
    large, small = sent(spans)
    assert attribute(large, "error.type") == "kafka.errors.MessageSizeTooLargeError"
    assert small.status.status_code is StatusCode.UNSET
    assert trace.get_current_span() is trace.INVALID_SPAN


def outcome(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return the result of a call, or what it raised; the client's versions differ in where this error comes."""
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001 - it is judged by the test
        return None, error


@contextmanager
def kafka_python(kind: Any, cluster: MockCluster, **settings: Any) -> Iterator[Any]:
    # The mock cluster's ApiVersions is not what the client expects: it is told the version.
    producer = kind(bootstrap_servers=cluster.bootstrap, api_version=(2, 0), **{"retries": 0, **settings})
    try:
        yield producer
    finally:
        producer.close(timeout=SECONDS)
