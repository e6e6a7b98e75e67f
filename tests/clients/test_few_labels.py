"""RabbitMQ: a routing key for each message is on its spans, and on no metric."""

from __future__ import annotations

from typing import Any

import pika
import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from unbroken import process, receive
from unbroken.clients.pika import Delivery, instrument
from unbroken.messaging.settle import settle

NAME = "messaging.destination.name"


def destinations(reader: InMemoryMetricReader) -> dict[str, set[Any]]:
    """Return the destinations of all series, by operation."""
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, set[Any]] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    labels = dict(point.attributes or {})
                    label = labels.get(NAME, labels.get("messaging.destination.template"))
                    found.setdefault(str(labels["messaging.operation.name"]), set()).add(label)
    return found


def delivery(exchange: str, key: str, queue: str | None = None, headers: Any = None) -> Delivery:
    method = pika.spec.Basic.Deliver("tag", 1, False, exchange, key)
    return Delivery(None, method, pika.BasicProperties(headers=headers), b"", queue)


@pytest.mark.parametrize(
    ("exchange", "queue", "label"),
    [
        ("shop", "orders", "shop:orders"),
        ("shop", None, "shop"),
        ("shop", "amq.gen-JzTY20BRgKO-HjmUJj0wLg", "shop"),
        ("key.1", "orders", "key.1:orders"),
        ("", "orders", "orders"),
    ],
)
def test_ten_thousand_routing_keys_are_one_series(
    exchange: str, queue: str | None, label: str, reader: InMemoryMetricReader
) -> None:
    for number in range(10_000):
        one = delivery(exchange, f"key.{number}", queue)
        with receive([one]), process(one):
            pass
    assert destinations(reader) == {"process": {label}, "consume": {label}}


def test_queues_of_the_default_exchange_are_bounded(reader: InMemoryMetricReader) -> None:
    for number in range(10_000):
        with process(delivery("", f"queue.{number}", f"queue.{number}")):
            pass
    found = destinations(reader)["process"]
    assert len(found) == 1001
    assert {"queue.0", "queue.999", "_OTHER"} <= found


def test_a_reply_queue_is_on_no_metric(reader: InMemoryMetricReader) -> None:
    for number in range(100):
        with process(delivery("", f"amq.rabbitmq.reply-to.g{number}", None)):
            pass
    assert destinations(reader)["process"] == {None}


def test_what_is_published_and_settled_has_no_routing_key_on_metrics(
    rabbitmq: str, topic: str, spans: Any, reader: InMemoryMetricReader
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq))
    channel = instrument(connection.channel())
    queue = channel.queue_declare(topic, auto_delete=True).method.queue
    channel.exchange_declare(topic, "topic", auto_delete=True)
    channel.queue_bind(queue, topic, "#")
    for number in range(50):
        channel.basic_publish(topic, f"key.{number}", b"")
    for method, properties, body in channel.consume(queue, inactivity_timeout=10):
        assert method is not None
        with process(Delivery(channel, method, properties, body, queue)):
            if method.delivery_tag % 2:
                channel.basic_ack(method.delivery_tag)
        if not method.delivery_tag % 2:
            channel.basic_ack(method.delivery_tag)
        if method.delivery_tag == 50:
            break
    connection.close()
    assert destinations(reader) == {"publish": {topic}, "process": {f"{topic}:{queue}"}, "ack": {f"{topic}:{queue}"}}
    assert f"publish {topic}:key.7" in [span.name for span in spans.sent]


def test_counts_beyond_64_bits_are_left_out(spans: Any) -> None:
    deaths = [{"count": 2**62, "queue": "q" * 2**20, "reason": "expired"}] * 1000
    with process(delivery("shop", "orders", "q", {"x-delivery-count": 2**63 - 1, "x-death": deaths})):
        pass
    (span,) = spans.processed
    assert span.attributes["unbroken.message.death.queue"] == "q" * 1024
    assert span.attributes["unbroken.message.death.reason"] == "expired"
    assert "unbroken.message.death.count" not in span.attributes
    assert "unbroken.message.receive_count" not in span.attributes


def test_the_64_newest_deaths_are_counted(spans: Any) -> None:
    deaths = [{"count": 1, "queue": "q", "reason": "expired"}] * 1000
    with process(delivery("shop", "orders", "q", {"x-death": deaths})):
        pass
    assert spans.processed[0].attributes["unbroken.message.death.count"] == 64


def test_a_settlement_by_hand_is_told_by_its_destination(reader: InMemoryMetricReader) -> None:
    with settle("ack", [], {"messaging.system": "rabbitmq", NAME: "orders"}):
        pass
    assert destinations(reader) == {"ack": {"orders"}}
