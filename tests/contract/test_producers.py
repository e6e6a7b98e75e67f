"""The send span ends when the broker has answered, with what it answered."""

from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from tests.contract.clients import Client, KafkaClient
from tests.contract.conftest import Spans


def sent_attributes(spans: Spans) -> dict[str, Any]:
    """The attributes of the one send span."""
    (span,) = spans.sent
    return dict(span.attributes or {})


def test_the_send_span_carries_partition_and_offset(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    with client.reader(topic) as reader:
        partition, offset = client.position(reader.one())
    attributes = sent_attributes(spans)
    assert attributes["messaging.destination.partition.id"] == str(partition)
    assert attributes["messaging.kafka.offset"] == offset


def test_the_send_span_of_each_message_carries_its_own_offset(client: KafkaClient, topic: str, spans: Spans) -> None:
    for _ in range(20):
        client.send(topic)
    client.flush()
    assert sorted((span.attributes or {})["messaging.kafka.offset"] for span in spans.sent) == list(range(20))  # type: ignore[type-var]


def test_the_send_span_is_named_after_the_topic(client: Client, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    assert [span.name for span in spans.sent] == [f"{client.sending} {topic}"]


def test_the_send_span_has_the_client(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    assert sent_attributes(spans)["messaging.client.id"] == "contract"


def test_the_send_span_has_the_server(client: Client, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    attributes = sent_attributes(spans)
    assert f"{attributes['server.address']}:{attributes['server.port']}" == client.server()


def test_a_send_that_the_broker_takes_is_no_error(client: Client, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    assert spans.sent[0].status.status_code is StatusCode.UNSET


def test_a_send_that_the_broker_refuses_names_its_error(real_client: KafkaClient, topic: str, spans: Spans) -> None:
    real_client.create_topic(topic, max_message_bytes=1000)
    real_client.send(topic, b"x" * 5000)
    real_client.flush()
    assert sent_attributes(spans)["error.type"] == real_client.too_large


def test_a_send_that_the_broker_refuses_is_an_error(real_client: KafkaClient, topic: str, spans: Spans) -> None:
    real_client.create_topic(topic, max_message_bytes=1000)
    real_client.send(topic, b"x" * 5000)
    real_client.flush()
    assert spans.sent[0].status.status_code is StatusCode.ERROR


def test_what_the_client_refuses_is_raised(client: Client, topic: str, spans: Spans) -> None:
    client.send(topic)  # the topic is there, so that only the value is wrong
    with pytest.raises(client.refuses):
        client.send(topic, object())
    client.flush()


def test_what_the_client_refuses_marks_the_span(client: Client, topic: str, spans: Spans) -> None:
    client.send(topic)
    client.flush()
    with pytest.raises(client.refuses):
        client.send(topic, object())
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET, StatusCode.ERROR]
