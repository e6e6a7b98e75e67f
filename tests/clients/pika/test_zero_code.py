"""pika: the classes, as zero code replaces their methods."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from tests.clients.instrumented import instrumented
from tests.clients.pika.queues import consumed, fetched
from tests.clients.rabbitmq import trace_id
from tests.contract.conftest import Spans, context_of
from unbroken import process
from unbroken.clients.patches import install, uninstall
from unbroken.clients.pika import instrument
from unbroken.clients.pika.dropins import PATCHES
from unbroken.clients.pika.zero_code import ZERO_CODE
from unbroken.clients.wrappers import wraps_once


@pytest.fixture
def patched() -> Iterator[None]:
    """The classes of the client, as zero-code instrumentation patches them."""
    with instrumented(ZERO_CODE):
        yield


def test_patched_classes_trace_every_channel_once(connection: Any, queue: str, spans: Spans, patched: None) -> None:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    assert [span.name for span in spans.ended] == [f"publish {queue}", f"ack {queue}", f"process {queue}"]


def test_a_traced_channel_of_a_patched_class_is_traced_once(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    instrument(connection.channel()).basic_publish("", queue, b"value")
    assert len(spans.sent) == 1


def test_a_channel_that_was_traced_before_its_class_is_traced_once(channel: Any, queue: str, spans: Spans) -> None:
    install(PATCHES)
    try:
        channel.basic_publish("", queue, b"value")
        consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    finally:
        uninstall(PATCHES)
    assert [span.name for span in spans.ended] == [f"publish {queue}", f"ack {queue}", f"process {queue}"]


def test_a_message_of_basic_get_is_current_until_the_next_one(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    channel = connection.channel()
    channel.basic_publish("", queue, b"value")
    channel.basic_get(queue, auto_ack=True)
    seen = trace_id()
    channel.basic_get(queue)
    assert (seen, trace_id()) == (context_of(spans.sent[0]).trace_id, 0)


def test_a_message_of_a_channel_that_the_broker_closed_is_over_when_another_gives_one(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    failing, other = connection.channel(), connection.channel()
    other.confirm_delivery()
    other.basic_publish("", queue, b"value")
    failing.basic_get(queue, auto_ack=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        failing.queue_declare("nowhere", passive=True)
    other.basic_get(queue)
    assert (len(spans.processed), trace_id()) == (1, 0)


def test_a_replacement_that_is_replaced_again_is_called_once() -> None:
    """As when a drop-in class is made of a class that is patched already."""

    @wraps_once
    def wrap(original: Callable[[], list[str]]) -> Callable[[], list[str]]:
        return lambda: ["ours", *original()]

    assert wrap(wrap(lambda: ["the client's"]))() == ["ours", "the client's"]


def test_uninstalling_leaves_the_classes_as_they_were() -> None:
    before = [dict(vars(kind)) for kind in (Channel, BlockingChannel)]
    install(ZERO_CODE.patches())
    uninstall(ZERO_CODE.patches())
    after = [dict(vars(kind)) for kind in (Channel, BlockingChannel)]
    assert after == before


def test_nothing_keeps_a_channel_alive(connection: Any, queue: str, spans: Spans) -> None:
    channel = instrument(connection.channel())
    channel.basic_publish("", queue, b"value")
    with process(fetched(channel, queue)):
        pass
    channel.close()
    channel = weakref.ref(channel)
    gc.collect()
    assert channel() is None
