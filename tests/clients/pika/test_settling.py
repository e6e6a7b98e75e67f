"""pika: acknowledgements and rejections."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import pika
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from tests.clients.pika.queues import consumed, declared, fetched
from tests.clients.rabbitmq import PARENT, attributes, settled
from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, process
from unbroken.clients.pika import get, instrument


@pytest.mark.parametrize(
    ("operation", "settle"),
    [
        ("ack", lambda channel, tag: channel.basic_ack(tag)),
        ("ack", lambda channel, tag: channel.basic_ack(delivery_tag=tag, multiple=True)),
        ("nack", lambda channel, tag: channel.basic_nack(tag, False, requeue=False)),
        ("reject", lambda channel, tag: channel.basic_reject(tag, requeue=False)),
    ],
)
@pytest.mark.parametrize("is_inside", [True, False], ids=["inside", "after"])
def test_settling_is_a_child_of_the_process_span(
    channel: Any, queue: str, spans: Spans, operation: str, settle: Callable[..., None], is_inside: bool
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        if is_inside:
            settle(channel, delivery.method.delivery_tag)
    if not is_inside:
        settle(channel, delivery.method.delivery_tag)
    (span,) = settled(spans)
    assert span.name.startswith(operation)
    assert span.parent is not None
    assert span.parent.span_id == context_of(spans.processed[0]).span_id


@pytest.mark.parametrize("tag", [2, 0], ids=["up to a tag", "all"])
def test_settling_several_links_the_process_span_of_each(channel: Any, queue: str, spans: Spans, tag: int) -> None:
    for _ in range(2):
        channel.basic_publish("", queue, b"value")
        with process(fetched(channel, queue)):
            pass
    with trace.get_tracer("test").start_as_current_span("batch"):
        channel.basic_ack(tag, multiple=True)
    (span,) = settled(spans)
    assert {link.context.span_id for link in span.links} == {context_of(one).span_id for one in spans.processed}
    assert span.name == f"ack {queue}"


def test_settling_several_of_different_queues_is_named_after_none(channel: Any, spans: Spans) -> None:
    for queue in (declared(channel), declared(channel)):
        channel.basic_publish("", queue, b"value")
        delivery = fetched(channel, queue)
        with process(delivery):
            if delivery.method.delivery_tag == 2:
                channel.basic_ack(2, multiple=True)
    assert [span.name for span in settled(spans)] == ["ack"]


def test_settling_several_leaves_those_after_the_tag(channel: Any, queue: str, spans: Spans) -> None:
    for _ in range(2):
        channel.basic_publish("", queue, b"value")
        with process(fetched(channel, queue)):
            pass
    channel.basic_ack(1, multiple=True)
    channel.basic_ack(2)
    parents = [span.parent.span_id for span in settled(spans) if span.parent]
    assert parents == [context_of(span).span_id for span in spans.processed]


def test_a_tag_of_another_channel_is_another_message(connection: Any, channel: Any, queue: str, spans: Spans) -> None:
    other = instrument(connection.channel())
    for one in (channel, other):
        channel.basic_publish("", queue, b"value")
        with process(fetched(one, queue)):
            pass
    other.basic_ack(1)
    channel.basic_ack(1)
    parents = [span.parent.span_id for span in settled(spans) if span.parent]
    assert parents == [context_of(span).span_id for span in reversed(spans.processed)]


def test_without_settle_spans_a_message_is_still_acknowledged(channel: Any, queue: str, spans: Spans) -> None:
    before = configure(Policy(settle=False))
    try:
        channel.basic_publish("", queue, b"value")
        delivery = fetched(channel, queue)
        with process(delivery):
            channel.basic_ack(delivery.method.delivery_tag)
    finally:
        configure(before)
    channel.basic_recover(requeue=True)
    assert (settled(spans), get(channel, queue)) == ([], None)


def test_an_unsampled_message_is_acknowledged_without_a_span(channel: Any, queue: str, spans: Spans) -> None:
    with suppress_instrumentation():
        unsampled = pika.BasicProperties(headers={"traceparent": f"{PARENT[:-2]}00"})
        channel.basic_publish("", queue, b"value", unsampled)
    consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    channel.basic_recover(requeue=True)
    assert (spans.ended, get(channel, queue)) == ([], None)


def test_a_sampled_message_is_acknowledged_in_its_trace_inside_an_unsampled_one(
    channel: Any, queue: str, spans: Spans
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        pass
    with suppress_instrumentation():
        unsampled = pika.BasicProperties(headers={"traceparent": f"{PARENT[:-2]}00"})
        channel.basic_publish("", queue, b"value", unsampled)
    with process(fetched(channel, queue)):
        channel.basic_ack(delivery.method.delivery_tag)
    assert [span.parent.trace_id for span in settled(spans) if span.parent] == [context_of(spans.sent[0]).trace_id]


def test_an_acknowledgement_after_the_block_is_named_after_the_destination(
    channel: Any, queue: str, spans: Spans
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        pass
    channel.basic_ack(delivery.method.delivery_tag)
    assert [span.name for span in settled(spans)] == [f"ack {queue}"]


def test_an_acknowledgement_that_another_thread_asked_for_is_in_the_trace_of_its_message(
    channel: Any, queue: str, spans: Spans
) -> None:
    workers: list[threading.Thread] = []
    left = [3]

    def acknowledge(tag: int) -> None:
        channel.basic_ack(tag)
        left[0] -= 1
        if not left[0]:
            channel.stop_consuming()

    def handle(channel: Any, method: Any, *_: Any) -> None:
        done = functools.partial(acknowledge, method.delivery_tag)
        workers.append(threading.Thread(target=channel.connection.add_callback_threadsafe, args=(done,)))
        workers[-1].start()

    for _ in range(left[0]):
        channel.basic_publish("", queue, b"value")
    channel.basic_consume(queue, handle)
    channel.start_consuming()
    for worker in workers:
        worker.join()
    of = {context_of(span).span_id: attributes(span) for span in spans.processed}
    tag = "messaging.rabbitmq.message.delivery_tag"
    assert [of[span.parent.span_id][tag] for span in settled(spans) if span.parent] == [
        attributes(span)[tag] for span in settled(spans)
    ]


def test_a_failed_acknowledgement_marks_its_span(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        channel.close()
        with pytest.raises(pika.exceptions.ChannelWrongStateError):
            channel.basic_ack(delivery.method.delivery_tag)
    assert attributes(settled(spans)[0])["error.type"] == "pika.exceptions.ChannelWrongStateError"
