"""pika: the callbacks of consumers."""

import functools
import threading
from typing import Any

import pika
import pytest
from opentelemetry import trace
from opentelemetry.context import get_current

from tests.clients.pika.queues import consumed, declared
from tests.clients.rabbitmq import PARENT, attributes, trace_id
from tests.contract.conftest import Spans
from unbroken import process
from unbroken.clients.pika import Delivery, instrument, traced


def test_a_callback_runs_in_the_trace_of_the_producer(channel: Any, queue: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("order"):
        sent = trace_id()
        channel.basic_publish("", queue, b"value")
    seen: list[int] = []
    consumed(channel, queue, lambda *_: seen.append(trace_id()))
    assert seen == [sent]


def test_one_callback_can_be_traced_on_a_plain_channel(connection: Any, queue: str, spans: Spans) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers={"traceparent": PARENT}))
    seen: list[int] = []
    consumed(plain, queue, traced(lambda *_: seen.append(trace_id()), queue))
    assert seen == [0x0AF7651916CD43DD8448EB211C80319C]


def test_a_traced_callback_is_traced_once(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    callback = traced(lambda *_: None, queue)
    assert traced(callback) is callback
    consumed(channel, queue, traced(callback))
    assert len(spans.processed) == 1


def test_a_traced_callback_returns_what_the_callback_returns(spans: Spans) -> None:
    callback = traced(lambda *_: "done")
    assert callback(None, pika.spec.Basic.Deliver(), pika.BasicProperties(), b"") == "done"


def test_a_decorator_over_a_traced_callback_is_still_called(channel: Any, queue: str, spans: Spans) -> None:
    called = []
    inner = traced(lambda *_: None, queue)

    @functools.wraps(inner)
    def outer(*pieces: Any) -> None:
        called.append(1)
        inner(*pieces)

    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, traced(outer, queue))
    assert called == [1]
    assert len(spans.processed) == 1


def test_process_of_the_same_delivery_inside_its_callback_is_one_span(channel: Any, queue: str, spans: Spans) -> None:
    def handle(channel: Any, method: Any, properties: Any, body: Any) -> None:
        with process(Delivery(channel, method, properties, body)):
            pass

    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, handle)
    assert len(spans.processed) == 1


def test_an_error_of_the_callback_marks_the_span_and_passes(channel: Any, queue: str, spans: Spans) -> None:
    def handle(*_: Any) -> None:
        raise KeyError("no")

    channel.basic_publish("", queue, b"value")
    with pytest.raises(KeyError):
        consumed(channel, queue, handle)
    assert attributes(spans.processed[0])["error.type"] == "KeyError"


def test_the_process_span_is_named_after_exchange_routing_key_and_queue(channel: Any, queue: str, spans: Spans) -> None:
    channel.queue_bind(queue, "amq.topic", "orders.*")
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    consumed(channel, queue, lambda *_: None)
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


def test_the_process_span_tells_what_is_processed(channel: Any, queue: str, spans: Spans, rabbitmq: str) -> None:
    channel.basic_publish("", queue, b"value", pika.BasicProperties(message_id="m", correlation_id="c"))
    consumed(channel, queue, lambda *_: None)
    parameters = pika.URLParameters(rabbitmq)
    assert attributes(spans.processed[0]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.rabbitmq.destination.routing_key": queue,
        "messaging.rabbitmq.message.delivery_tag": 1,
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": parameters.host,
        "server.port": parameters.port,
    }


def test_what_is_no_callback_is_refused_as_without_us(channel: Any, queue: str) -> None:
    with pytest.raises(Exception, match="callback"):
        channel.basic_consume(queue, "no callback")


def test_two_consumers_of_a_channel_keep_their_traces(channel: Any, queue: str, spans: Spans) -> None:
    other = declared(channel)
    sent, seen = {}, {}
    for name in (queue, other):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent[name] = trace_id()
            channel.basic_publish("", name, b"value")

    def handle(_channel: Any, method: Any, *_: Any) -> None:
        seen[method.routing_key] = trace_id()

    channel.basic_consume(other, handle)
    while other not in seen:
        channel.connection.process_data_events(0.05)
    consumed(channel, queue, handle)
    assert seen == sent


def test_each_thread_with_its_connection_keeps_its_traces(rabbitmq: str, queue: str, spans: Spans) -> None:
    failures: list[str] = []

    def work(number: int) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(rabbitmq))
        mine = instrument(connection.channel())
        name = declared(mine)
        sent, seen = [], []
        for _ in range(20):
            with trace.get_tracer("test").start_as_current_span(f"order {number}"):
                sent.append(trace_id())
                mine.basic_publish("", name, b"value")
        consumed(mine, name, lambda *_: seen.append(trace_id()), 20, auto_ack=True)
        connection.close()
        if seen != sent or get_current():
            failures.append(f"thread {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
