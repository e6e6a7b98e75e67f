"""pika's BlockingConnection: basic_consume, consume, consume and basic_ack, basic_publish."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pika
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties

from bench import by_hand, tracing
from bench.contenders import ALONE, BARE, HAND, OURS, UNSETTLED
from bench.filling import PRODUCED, QUEUE
from bench.records import MAPPED_HEADERS, VALUE
from bench.timing import Laps

COMMON = {
    "messaging.system": "rabbitmq",
    "messaging.destination.name": QUEUE,
    "messaging.rabbitmq.destination.routing_key": QUEUE,
    "server.address": "127.0.0.1",
    "server.port": 5672,
}
"""The attributes that our spans of both kinds have."""

Run = Callable[[BlockingChannel, Laps], None]


def basic_consume(channel: BlockingChannel, laps: Laps) -> None:
    """The loop that is instrumented from outside, by our channel, or not at all."""

    def handle(channel: BlockingChannel, _method: Basic.Deliver, _properties: BasicProperties, _body: bytes) -> None:
        if laps.is_last():
            channel.stop_consuming()

    channel.basic_consume(QUEUE, handle, auto_ack=True)
    channel.start_consuming()


def basic_consume_by_hand(channel: BlockingChannel, laps: Laps) -> None:
    """The loop with stock OpenTelemetry."""

    def handle(channel: BlockingChannel, _method: Basic.Deliver, properties: BasicProperties, _body: bytes) -> None:
        by_hand.process_mapping(QUEUE, properties.headers)
        if laps.is_last():
            channel.stop_consuming()

    channel.basic_consume(QUEUE, handle, auto_ack=True)
    channel.start_consuming()


def basic_consume_alone(channel: BlockingChannel, laps: Laps) -> None:
    """The loop with a span that has the attributes and the link of ours, and nothing else: the floor under it."""
    parent = tracing.remote_parent(sampled=True)
    creation = trace.get_current_span(parent).get_span_context()

    def handle(channel: BlockingChannel, method: Basic.Deliver, _properties: BasicProperties, _body: bytes) -> None:
        attributes = {
            **COMMON,
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.rabbitmq.message.delivery_tag": method.delivery_tag,
        }
        links = [Link(creation)]
        by_hand.TRACER.start_span(f"process {QUEUE}", parent, SpanKind.CONSUMER, attributes, links).end()
        if laps.is_last():
            channel.stop_consuming()

    channel.basic_consume(QUEUE, handle, auto_ack=True)
    channel.start_consuming()


def consume(channel: BlockingChannel, laps: Laps) -> None:
    """The generator that is instrumented from outside, by our channel, or not at all."""
    for _ in channel.consume(QUEUE, auto_ack=True):
        if laps.is_last():
            break


def consume_by_hand(channel: BlockingChannel, laps: Laps) -> None:
    """The generator with stock OpenTelemetry."""
    for _method, properties, _body in channel.consume(QUEUE, auto_ack=True):
        by_hand.process_mapping(QUEUE, properties.headers)
        if laps.is_last():
            break


def acknowledged(channel: BlockingChannel, laps: Laps) -> None:
    """A callback that acknowledges each message."""

    def handle(channel: BlockingChannel, method: Basic.Deliver, _properties: BasicProperties, _body: bytes) -> None:
        channel.basic_ack(method.delivery_tag)
        if laps.is_last():
            channel.stop_consuming()

    channel.basic_qos(prefetch_count=100)
    channel.basic_consume(QUEUE, handle)
    channel.start_consuming()


def acknowledged_by_hand(channel: BlockingChannel, laps: Laps) -> None:
    """The same with stock OpenTelemetry, without a span for the acknowledgement."""

    def handle(channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, _body: bytes) -> None:
        by_hand.process_mapping(QUEUE, properties.headers)
        channel.basic_ack(method.delivery_tag)
        if laps.is_last():
            channel.stop_consuming()

    channel.basic_qos(prefetch_count=100)
    channel.basic_consume(QUEUE, handle)
    channel.start_consuming()


def basic_publish(channel: BlockingChannel, laps: Laps) -> None:
    """The loop that is instrumented from outside, by our channel, or not at all."""
    for _ in range(laps.total):
        properties = BasicProperties(content_type="text/plain", headers=dict(MAPPED_HEADERS))
        channel.basic_publish("", PRODUCED, VALUE, properties)
        laps.is_last()


def basic_publish_by_hand(channel: BlockingChannel, laps: Laps) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(laps.total):
        with by_hand.TRACER.start_as_current_span(f"publish {PRODUCED}", kind=SpanKind.PRODUCER):
            headers = by_hand.injected_mapping(MAPPED_HEADERS)
            properties = BasicProperties(content_type="text/plain", headers=headers)
            channel.basic_publish("", PRODUCED, VALUE, properties)
        laps.is_last()


def basic_publish_alone(channel: BlockingChannel, laps: Laps) -> None:
    """The loop with a span that has the attributes of ours, and nothing else: the floor under it."""
    for _ in range(laps.total):
        attributes = {**COMMON, "messaging.operation.name": "publish", "messaging.operation.type": "send"}
        span = by_hand.TRACER.start_span(f"publish {PRODUCED}", None, SpanKind.PRODUCER, attributes)
        properties = BasicProperties(content_type="text/plain", headers=dict(MAPPED_HEADERS))
        channel.basic_publish("", PRODUCED, VALUE, properties)
        span.end()
        laps.is_last()


RUNS: dict[str, dict[str, Run]] = {
    "basic_consume": {BARE: basic_consume, ALONE: basic_consume_alone, HAND: basic_consume_by_hand},
    "consume": {BARE: consume, HAND: consume_by_hand},
    "basic_consume with basic_ack": {BARE: acknowledged, HAND: acknowledged_by_hand},
    "basic_publish": {BARE: basic_publish, ALONE: basic_publish_alone, HAND: basic_publish_by_hand},
}


def measure(loop: str, contender: str, condition: str, address: str, messages: int) -> float:  # noqa: ARG001
    """Return the microseconds per message in `loop`."""
    laps = Laps(messages)
    with closing(pika.BlockingConnection(pika.URLParameters(address))) as connection:
        channel: Any = connection.channel()
        if contender in (OURS, UNSETTLED):
            from unbroken.clients.pika import instrument

            channel = instrument(channel)
        RUNS[loop].get(contender, RUNS[loop][BARE])(channel, laps)
    return laps.microseconds
