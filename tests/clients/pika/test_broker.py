"""pika: what RabbitMQ itself does with messages, and bad input."""

import struct
import uuid
from collections.abc import Callable
from typing import Any

import pika
import pytest
from opentelemetry import trace

from tests.clients.pika.queues import consumed, declared, fetched
from tests.clients.rabbitmq import ODD_HEADERS, PARENT, attributes, trace_id
from tests.contract.conftest import Spans, context_of
from unbroken import extract, forward, process
from unbroken.clients.pika import Delivery, traced

# What RabbitMQ itself does with messages.


def dead_lettered(channel: Any, **arguments: Any) -> tuple[str, str]:
    """A queue that gives its dead letters to another, and that other."""
    letters = declared(channel)
    return declared(
        channel, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": letters, **arguments}
    ), letters


def reject(channel: Any, queue: str) -> None:
    channel.basic_reject(fetched(channel, queue).method.delivery_tag, requeue=False)


def overflow(channel: Any, queue: str) -> None:
    channel.basic_publish("", queue, b"another")


def wait(channel: Any, queue: str) -> None:
    """Nothing: the message expires."""


@pytest.mark.parametrize(
    ("reason", "arguments", "act"),
    [
        ("rejected", {}, reject),
        ("expired", {"x-message-ttl": 1}, wait),
        ("maxlen", {"x-max-length": 1}, overflow),
    ],
    ids=["reject", "ttl", "length"],
)
def test_a_dead_letter_of_rabbitmq_keeps_its_trace(
    channel: Any, spans: Spans, reason: str, arguments: dict[str, Any], act: Callable[[Any, str], None]
) -> None:
    queue, letters = dead_lettered(channel, **arguments)
    with trace.get_tracer("test").start_as_current_span("order"):
        sent = trace_id()
        channel.basic_publish("", queue, b"value")
    act(channel, queue)
    with process(fetched(channel, letters)):
        seen = trace_id()
    found = attributes(spans.processed[0])
    death = {name.removeprefix("unbroken.message.death."): value for name, value in found.items() if "death" in name}
    assert seen == sent
    assert death == {"count": 1, "queue": queue, "reason": reason}


def test_a_message_that_dies_again_counts_its_deaths(channel: Any, spans: Spans) -> None:
    letters, retry = f"dead-{uuid.uuid4().hex[:8]}", f"retry-{uuid.uuid4().hex[:8]}"
    to = {"x-dead-letter-exchange": ""}
    channel.queue_declare(retry, exclusive=True, arguments={**to, "x-dead-letter-routing-key": letters})
    channel.queue_declare(letters, exclusive=True, arguments={**to, "x-dead-letter-routing-key": retry})
    channel.basic_publish("", retry, b"value")
    for name in (retry, letters, retry):
        reject(channel, name)
    with process(fetched(channel, letters)):
        pass
    assert attributes(spans.processed[0])["unbroken.message.death.count"] == 3


def test_a_redelivered_message_says_so(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        channel.basic_nack(delivery.method.delivery_tag)
    with process(fetched(channel, queue)):
        pass
    assert [attributes(span).get("unbroken.message.redelivered") for span in spans.processed] == [None, True]


def test_a_quorum_queue_tells_how_often_it_delivered(channel: Any, spans: Spans) -> None:
    queue = f"quorum-{uuid.uuid4().hex[:8]}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    try:
        channel.basic_publish("", queue, b"value")
        for _ in range(2):
            delivery = fetched(channel, queue)
            with process(delivery):
                channel.basic_nack(delivery.method.delivery_tag)
    finally:
        channel.queue_delete(queue)
    assert attributes(spans.processed[1])["unbroken.message.receive_count"] == 2


def test_a_forwarded_message_is_in_the_same_trace(channel: Any, queue: str, spans: Spans) -> None:
    retry = declared(channel)
    channel.basic_publish("", queue, b"value", pika.BasicProperties(headers={"tenant": b"\xff", "n": 7}))
    delivery = fetched(channel, queue)
    with process(delivery):
        headers = forward(delivery, error=ValueError("no"))
        channel.basic_publish("", retry, delivery.body, pika.BasicProperties(headers=headers))
    again = fetched(channel, retry)
    with process(again):
        pass
    one, other = (context_of(span).trace_id for span in spans.processed)
    assert one == other
    assert (again.properties.headers["tenant"], again.properties.headers["n"]) == (b"\xff", 7)
    assert again.properties.headers["unbroken-attempt"] == "1"


def test_a_message_passed_on_with_its_properties_keeps_one_traceparent(channel: Any, queue: str, spans: Spans) -> None:
    other = declared(channel)
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    before = dict(delivery.properties.headers)
    with process(delivery):
        channel.basic_publish("", other, delivery.body, delivery.properties)
    assert list(fetched(channel, other).properties.headers) == ["traceparent"]
    assert delivery.properties.headers == before


# Bad input.


@pytest.mark.parametrize("headers", [*ODD_HEADERS, {"traceparent": b"\xff\xfe"}], ids=repr)
def test_odd_headers_cost_neither_message_nor_span(connection: Any, queue: str, spans: Spans, headers: Any) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers=headers))
    seen = []
    consumed(plain, queue, traced(lambda *pieces: seen.append(pieces[3])))
    assert seen == [b"value"]
    assert len(spans.processed) == 1


def test_header_names_that_are_no_utf_8_are_survived(connection: Any, queue: str, spans: Spans) -> None:
    """The client gives such a name as octets; it writes only text, so the table is written by hand."""

    class Properties(pika.BasicProperties):  # type: ignore[misc]  # a class without types
        def encode(self) -> list[bytes]:
            entries = b"".join(
                bytes([len(name)]) + name + b"S" + struct.pack(">I", len(value)) + value
                for name, value in [(b"\xff\xfe", b"odd"), (b"traceparent", PARENT.encode())]
            )
            return [struct.pack(">H", self.FLAG_HEADERS), struct.pack(">I", len(entries)), entries]

    plain = connection.channel()
    plain.basic_publish("", queue, b"value", Properties())
    with process(fetched(plain, queue)):
        assert trace_id() == 0x0AF7651916CD43DD8448EB211C80319C


def test_extract_reads_a_delivery(connection: Any, queue: str) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers={"traceparent": PARENT}))
    span = trace.get_current_span(extract(fetched(plain, queue)))
    assert span.get_span_context().span_id == 0xB7AD6B7169203331


def test_a_delivery_holds_what_it_was_made_of() -> None:
    method, properties = pika.spec.Basic.GetOk(), pika.BasicProperties()
    delivery = Delivery("channel", method, properties, b"body", "orders", True)
    assert tuple(delivery) == ("channel", method, properties, b"body", "orders", True)
