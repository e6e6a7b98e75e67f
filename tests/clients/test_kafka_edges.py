"""Kafka at its edges: brokers without headers, places that are not known, doubles of clients, classes made before."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from opentelemetry.trace import StatusCode

from tests.contract.conftest import Spans
from unbroken.clients.kafka.attributes import placed_attributes, process_attributes, send_attributes
from unbroken.messaging import tracing

PARTITION, OFFSET = "messaging.destination.partition.id", "messaging.kafka.offset"
LEFT_OUT = "unbroken.carrier.left_out"


@pytest.mark.parametrize(("partition", "offset"), [(None, None), (-1, -1001), (object(), "7")])
def test_a_place_that_is_not_known_is_on_no_span(partition: Any, offset: Any) -> None:
    for attributes in (
        process_attributes("orders", partition, offset, None, tombstone=False),
        send_attributes("orders", partition, None, tombstone=False),
        placed_attributes(partition, offset),
    ):
        assert PARTITION not in attributes
        assert OFFSET not in attributes


def test_a_place_that_is_known_is_on_the_span() -> None:
    assert placed_attributes(0, 0) == {PARTITION: "0", OFFSET: 0}


@pytest.fixture
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was said in the log yet."""
    monkeypatch.setattr(tracing, "_said", set())


def old_broker(kind: Any) -> dict[str, Any]:
    """The configuration of a producer for such a broker; idempotence is on, and known, in newer versions."""
    wanted = {"api_version": (0, 10, 2), "enable_idempotence": False}
    return {name: value for name, value in wanted.items() if name in kind.DEFAULT_CONFIG}


@pytest.fixture(params=["drop-in", "zero code"])
def old_producer(request: pytest.FixtureRequest, embedded: str) -> Iterator[Any]:
    """A producer of kafka-python that was told of a broker without headers."""
    kafka = pytest.importorskip("kafka")
    if request.param == "drop-in":
        from unbroken.clients.kafka_python import KafkaProducer

        producer: Any = KafkaProducer(bootstrap_servers=embedded, **old_broker(KafkaProducer))
        yield producer
        producer.close()
        return
    pytest.importorskip("opentelemetry.instrumentation.instrumentor")
    from unbroken.instrumentation.kafka_python import KafkaPythonInstrumentor

    instrumentor = KafkaPythonInstrumentor()
    instrumentor.instrument()
    try:
        producer = kafka.KafkaProducer(bootstrap_servers=embedded, **old_broker(kafka.KafkaProducer))
        yield producer
        producer.close()
    finally:
        instrumentor.uninstrument()


@pytest.mark.usefixtures("unsaid")
def test_a_broker_without_headers_gets_every_message_and_the_span_says_what_it_lacks(
    old_producer: Any, topic: str, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    if "enable_idempotence" not in old_producer.DEFAULT_CONFIG:
        pytest.skip("this version sends what only such a broker takes, and the embedded one is newer")
    offsets = [old_producer.send(topic, b"value", partition=0).get(10).offset for _ in range(3)]
    assert offsets == [0, 1, 2]
    assert [(span.attributes or {})[LEFT_OUT] for span in spans.sent] == [("traceparent",)] * 3
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET] * 3
    assert caplog.text.count("without record headers") == 1


def test_headers_of_the_application_are_refused_as_by_the_plain_client(
    old_producer: Any, topic: str, spans: Spans
) -> None:
    with pytest.raises(Exception, match=r"(?i)header"):
        old_producer.send(topic, b"value", headers=[("a", b"b")])
    assert [span.status.status_code for span in spans.sent] == [StatusCode.ERROR]


@pytest.mark.parametrize("answer", [None, object(), "sent"])
def test_a_send_of_kafka_python_that_gives_no_future_ends_its_span(answer: object, spans: Spans) -> None:
    pytest.importorskip("kafka")
    from unbroken.clients.kafka_python.dropins import wrap_send

    class Double:
        send = wrap_send(lambda self, *args: answer)

    assert Double().send("orders", b"value") is answer
    assert [span.name for span in spans.sent] == ["send orders"]


@pytest.mark.parametrize("answer", [None, object(), "sent"])
async def test_a_send_of_aiokafka_that_gives_no_future_ends_its_span(answer: object, spans: Spans) -> None:
    pytest.importorskip("aiokafka")
    from unbroken.clients.aiokafka.dropins import wrap_send

    async def send(self: object, *args: object) -> object:
        return answer

    class Double:
        pass

    assert await wrap_send(send)(Double(), "orders", b"value") is answer
    assert [span.name for span in spans.sent] == ["send orders"]


@pytest.mark.usefixtures("unsaid")
def test_a_class_of_the_client_itself_that_was_made_before_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    confluent_kafka = pytest.importorskip("confluent_kafka")
    pytest.importorskip("opentelemetry.instrumentation.instrumentor")
    from unbroken.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor

    early = type("AvroProducer", (confluent_kafka.Producer,), {"__module__": "confluent_kafka.avro"})
    instrumentor = ConfluentKafkaInstrumentor()
    instrumentor.instrument()
    instrumentor.uninstrument()
    said = [
        record.message for record in caplog.records if "bound before" in record.message or "base of" in record.message
    ]
    assert any("confluent_kafka.avro.AvroProducer" in text for text in said)
    assert not any("SerializingProducer" in text or "DeserializingConsumer" in text for text in said)
    del early
    gc.collect()


async def test_an_asyncio_producer_around_a_double_is_left_to_the_client(spans: Spans) -> None:
    pytest.importorskip("confluent_kafka.aio")
    from unbroken.clients.confluent_kafka_aio import AIOProducer

    with mock.patch("confluent_kafka.Producer"):
        producer = AIOProducer({"bootstrap.servers": "nowhere"}, buffer_timeout=0)
    future = await producer.produce("orders", b"value")
    assert isinstance(future, asyncio.Future)
    assert not future.done()
    assert spans.sent == []
    future.cancel()
