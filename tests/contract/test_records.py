"""Records that are out of the ordinary: none of them costs its trace, its headers or the message."""

from typing import Any

import pytest
from opentelemetry import trace

from tests.contract.clients import KafkaClient
from tests.contract.conftest import Spans
from unbroken import forward, process

KEY = "messaging.kafka.message.key"
TOMBSTONE = "messaging.kafka.message.tombstone"


def arrived(client: KafkaClient, topic: str, value: Any = b"value", *, key: Any = None, headers: Any = None) -> Any:
    """The message as a consumer gets it, after a block that processed it in the trace of its producer."""
    with trace.get_tracer("test").start_as_current_span("order") as order:
        client.send(topic, value, key=key, headers=headers)
    client.flush()
    with client.reader(topic) as reader:
        message = reader.one()
        with process(message, reader.consumer):
            assert trace.get_current_span().get_span_context().trace_id == order.get_span_context().trace_id
    return message


def process_attributes(spans: Spans) -> dict[str, Any]:
    """The attributes of the one process span."""
    (span,) = spans.processed
    return dict(span.attributes or {})


def test_a_tombstone_is_said_to_be_one(client: KafkaClient, topic: str, spans: Spans) -> None:
    arrived(client, topic, None, key=b"order-1")
    assert process_attributes(spans)[TOMBSTONE] is True


def test_an_empty_value_is_no_tombstone(client: KafkaClient, topic: str, spans: Spans) -> None:
    arrived(client, topic, b"", key=b"order-1")
    assert TOMBSTONE not in process_attributes(spans)


def test_a_key_is_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    arrived(client, topic, key="ärger".encode())
    assert process_attributes(spans)[KEY] == "ärger"


def test_a_null_key_is_not_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    arrived(client, topic)
    assert KEY not in process_attributes(spans)


def test_a_key_that_is_no_text_is_not_on_the_span(client: KafkaClient, topic: str, spans: Spans) -> None:
    arrived(client, topic, key=b"\xff\xfe")
    assert KEY not in process_attributes(spans)


def test_headers_that_are_no_text_arrive_as_they_were(client: KafkaClient, topic: str, spans: Spans) -> None:
    message = arrived(client, topic, headers=[("binary", b"\xff\x00\xfe"), ("empty", b"")])
    assert client.headers(message)[:2] == [("binary", b"\xff\x00\xfe"), ("empty", b"")]


def test_a_repeated_header_arrives_repeated(client: KafkaClient, topic: str, spans: Spans) -> None:
    message = arrived(client, topic, headers=[("tag", b"1"), ("other", b""), ("tag", b"2")])
    assert client.headers(message)[:3] == [("tag", b"1"), ("other", b""), ("tag", b"2")]


def test_a_null_header_is_survived(client: KafkaClient, topic: str, spans: Spans) -> None:
    message = read_with_null(client, topic)
    with process(message):
        pass
    assert len(spans.processed) == 1


def test_a_message_with_a_null_header_can_be_forwarded(client: KafkaClient, topic: str, spans: Spans) -> None:
    message = read_with_null(client, topic)
    client.send(f"{topic}-dlq", b"value", headers=forward(message))
    client.flush()
    with client.reader(f"{topic}-dlq") as reader:
        null = dict(client.headers(reader.one()))["null"]
    assert null == (None if client.sends_null_headers else b"")


def read_with_null(client: KafkaClient, topic: str) -> Any:
    """A message whose headers have null values, the propagation field too, written by a client that can."""
    import confluent_kafka

    producer = confluent_kafka.Producer({"bootstrap.servers": client.bootstrap})
    producer.produce(topic, b"value", partition=0, headers=[("null", None), ("traceparent", None)])
    assert producer.flush(30) == 0
    with client.reader(topic) as reader:
        return reader.one()


def test_a_thousand_headers_arrive_in_order(client: KafkaClient, topic: str, spans: Spans) -> None:
    headers = [(f"name-{number}", b"%d" % number) for number in range(1000)]
    message = arrived(client, topic, headers=headers)
    assert client.headers(message)[:1000] == headers


def test_a_header_of_one_mebibyte_arrives(client: KafkaClient, topic: str, spans: Spans) -> None:
    client.create_topic(topic, max_message_bytes=4 << 20)
    message = arrived(client, topic, headers=[("large", b"x" * (1 << 20))])
    assert dict(client.headers(message))["large"] == b"x" * (1 << 20)


def test_a_message_with_a_header_of_one_mebibyte_can_be_forwarded(
    client: KafkaClient, topic: str, spans: Spans
) -> None:
    client.create_topic(topic, max_message_bytes=4 << 20)
    client.create_topic(f"{topic}-dlq", max_message_bytes=4 << 20)
    message = arrived(client, topic, headers=[("large", b"x" * (1 << 20))])
    client.send(f"{topic}-dlq", headers=forward(message))
    client.flush()
    with client.reader(f"{topic}-dlq") as reader:
        assert dict(client.headers(reader.one()))["large"] == b"x" * (1 << 20)


@pytest.mark.parametrize("by_position", [True, False], ids=["by-position", "by-name"])
def test_the_headers_of_the_application_go_with_the_context(
    client: KafkaClient, topic: str, spans: Spans, by_position: bool
) -> None:
    if by_position:
        client.send_by_position(topic, b"value", [("tenant", b"a")])
    else:
        client.send(topic, b"value", headers=[("tenant", b"a")])
    client.flush()
    with client.reader(topic) as reader:
        assert [name for name, _ in client.headers(reader.one())] == ["tenant", "traceparent"]
