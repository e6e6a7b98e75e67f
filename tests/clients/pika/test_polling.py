"""pika: the generator, and `basic_get`."""

import threading
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import get_current

from tests.clients.pika.queues import current_id, declared, fetched
from tests.clients.rabbitmq import trace_id
from tests.contract.conftest import Spans
from unbroken import process, receive
from unbroken.clients.pika import get, instrument


def test_each_message_of_the_generator_is_in_its_trace(channel: Any, queue: str, spans: Spans) -> None:
    sent, seen = [], []
    for _ in range(3):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent.append(trace_id())
            channel.basic_publish("", queue, b"value")
    for method, _, _ in channel.consume(queue):
        seen.append(trace_id())
        channel.basic_ack(method.delivery_tag)
        if len(seen) == 3:
            break
    channel.cancel()
    assert seen == sent


def test_after_a_break_out_of_the_generator_the_context_is_as_it_was(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    for _ in channel.consume(queue):
        break
    after = get_current()
    channel.cancel()
    assert after is before


def test_after_an_error_in_the_loop_the_context_is_as_it_was(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")

    def loop() -> None:
        for _ in channel.consume(queue):
            raise KeyError("no")

    with pytest.raises(KeyError):
        loop()
    assert get_current() is before


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_the_channel_ends_the_message_of_a_generator_that_is_still_held(
    channel: Any, queue: str, spans: Spans, end: str
) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    held = channel.consume(queue)
    next(held)
    getattr(channel, end)()
    after = get_current()
    held.close()
    assert after is before
    assert len(spans.processed) == 1


def test_between_messages_the_generator_has_no_message(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    seen = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
        seen.append(current_id())
        if method is None:
            break
    channel.cancel()
    assert seen[-1] == 0


def test_two_generators_that_take_turns_keep_their_traces(
    connection: Any, channel: Any, queue: str, spans: Spans
) -> None:
    other_channel = instrument(connection.channel())
    other = declared(other_channel)
    sent: dict[str, list[int]] = {queue: [], other: []}
    for name in (queue, other, queue, other):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent[name].append(trace_id())
            channel.basic_publish("", name, b"value")
    seen: dict[str, list[int]] = {queue: [], other: []}
    before = get_current()
    loops = {queue: channel.consume(queue), other: other_channel.consume(other)}
    for name in (queue, other, queue, other):
        next(loops[name])
        seen[name].append(trace_id())
    loops[queue].close()
    loops[other].close()
    after = get_current()
    channel.cancel()
    other_channel.cancel()
    assert seen == sent
    assert after is before


def test_a_generator_that_is_left_in_another_thread_ends_its_span(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    held = [channel.consume(queue)]
    next(held[0])
    closer = threading.Thread(target=lambda: held.pop().close())
    closer.start()
    closer.join()
    assert len(spans.processed) == 1
    channel.cancel()
    for _ in channel.consume(queue, inactivity_timeout=0.01):  # the next step of this thread finds its way back
        break
    channel.cancel()
    assert get_current() == before


def test_basic_get_gives_what_the_client_gives(channel: Any, queue: str, spans: Spans) -> None:
    assert channel.basic_get(queue) == (None, None, None)
    channel.basic_publish("", queue, b"value")
    method, _, body = channel.basic_get(queue)
    assert (method.delivery_tag, body) == (1, b"value")


def test_a_fetched_message_knows_its_queue(channel: Any, queue: str, spans: Spans) -> None:
    channel.queue_bind(queue, "amq.topic", "orders.*")
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    with process(fetched(channel, queue)):
        pass
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


def test_an_empty_queue_gives_no_delivery(channel: Any, queue: str) -> None:
    assert get(channel, queue) is None


def test_several_fetched_messages_are_one_receive_span(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    channel.basic_publish("", queue, b"value")
    with receive([fetched(channel, queue), fetched(channel, queue)]):
        pass
    links = spans.named(f"consume {queue}").links
    tags = [(link.attributes or {})["messaging.rabbitmq.message.delivery_tag"] for link in links]
    assert tags == [1, 2]
