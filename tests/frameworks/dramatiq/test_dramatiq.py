"""dramatiq on a real RabbitMQ: enqueuer, actor, retry and dead letter in one trace, and nothing of dramatiq changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from dramatiq import Message
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import dq_name, xq_name

from tests.frameworks.dramatiq.conftest import Shop, opened_shop
from unbroken import process
from unbroken.messaging import semconv
from unbroken.testing import Spans


def test_an_actor_runs_in_the_trace_that_enqueued_its_message(shop: Shop, spans: Spans) -> None:
    order = shop.order("charge", 2)
    (sent,) = [span for span in spans.finished if span.kind.name == "PRODUCER"]
    (processed,) = order.of("CONSUMER")
    (charging,) = order.named("charging")
    assert sent.context is not None
    assert processed.parent_id == f"{sent.context.span_id:016x}"
    assert processed.links == [processed.parent_id]
    assert charging.parent_id == processed.span_id


def test_an_actor_that_is_a_coroutine_is_in_the_trace_too(shop: Shop) -> None:
    order = shop.order("charge_async", 2)
    assert order.named("charging")[0].parent_id == order.of("CONSUMER")[0].span_id


def test_the_spans_say_which_actor_and_which_queue(shop: Shop, spans: Spans) -> None:
    (processed,) = shop.order("charge", 2).of("CONSUMER")
    (sent,) = [span for span in spans.finished if span.kind.name == "PRODUCER"]
    assert (sent.name, processed.name) == ("publish charge", "process charge")
    for attributes in (processed.attributes, dict(sent.attributes or {})):
        assert attributes[semconv.SYSTEM] == "rabbitmq"
        assert attributes[semconv.DESTINATION] == shop.queue
        assert attributes["dramatiq.actor_name"] == "charge"
        assert attributes[semconv.SERVER_ADDRESS] == "127.0.0.1"
    assert processed.attributes[semconv.MESSAGE_ID] == (sent.attributes or {})[semconv.MESSAGE_ID]


def test_a_retry_goes_on_in_the_trace(shop: Shop) -> None:
    """Each goes to the delay queue, and from there to the queue again."""
    order = shop.order("try_again", 8)
    attempts, published = order.of("CONSUMER"), order.of("PRODUCER")
    delayed = [one for one in published if one.attributes[semconv.DESTINATION] == dq_name(shop.queue)]
    due = [one for one in published if one.attributes[semconv.DESTINATION] == shop.queue]
    assert [one.attributes["unbroken.message.attempt"] for one in attempts] == [1, 2, 3]
    assert [one.parent_id for one in delayed] == [one.span_id for one in attempts[:2]]
    assert [one.parent_id for one in due] == [one.span_id for one in delayed]
    assert [one.parent_id for one in attempts[1:]] == [one.span_id for one in due]


def test_an_attempt_that_is_retried_has_its_error(shop: Shop) -> None:
    attempts = shop.order("try_again", 8).of("CONSUMER")
    assert [one.attributes.get("error.type") for one in attempts] == ["ConnectionError", "ConnectionError", None]
    assert [one.events for one in attempts] == [["exception"], ["exception"], []]


def test_a_retry_that_nothing_has_caused_is_no_error(shop: Shop) -> None:
    attempts = shop.order("poll", 4).of("CONSUMER")
    assert [(one.error, one.events) for one in attempts] == [(None, []), (None, [])]


def test_a_delayed_message_keeps_the_trace(shop: Shop) -> None:
    order = shop.order("charge", 3, delay=1)
    (due,) = order.of("PRODUCER")
    assert order.of("CONSUMER")[0].parent_id == due.span_id


def test_what_an_actor_enqueues_is_a_child_of_it(shop: Shop) -> None:
    order = shop.order("publish_more", 4)
    outer, inner = order.of("CONSUMER")
    (published,) = order.of("PRODUCER")
    assert published.parent_id == outer.span_id
    assert inner.parent_id == published.span_id


def test_a_dead_letter_keeps_the_trace(shop: Shop) -> None:
    order = shop.order("fail", 1)
    for _, _, body in shop.broker.channel.consume(xq_name(shop.queue), auto_ack=True, inactivity_timeout=30):
        assert body is not None, "no dead letter of this trace"
        with process(Message.decode(body)) as span:
            if f"{span.get_span_context().trace_id:032x}" == order.trace_id:
                break
    shop.broker.channel.cancel()


@pytest.mark.parametrize(
    ("actor", "count"), [("charge", 2), ("charge_async", 2), ("fail", 1), ("poll", 4), ("leave", 1)]
)
def test_the_context_is_as_it_was_after_a_message(shop: Shop, actor: str, count: int) -> None:
    (wanted, *_) = [span.attributes[semconv.MESSAGE_ID] for span in shop.order(actor, count).of("CONSUMER")]
    spans = shop.pipe.wait_for(lambda spans: any(span.attributes.get("id") == wanted for span in spans))
    assert {str(span.attributes["left"]) for span in spans if span.attributes.get("id") == wanted} == {"[]"}


@pytest.mark.parametrize(
    "value",
    [5, 1.5, None, True, "", "garbage", "00-\u00e9", ["a", "list"], {"a": "dict"}, f"00-{'0' * 32}-{'0' * 16}-01"],
)
@pytest.mark.parametrize("field", ["traceparent", "tracestate", "baggage"])
def test_a_bad_option_costs_no_message(shop: Shop, field: str, value: object) -> None:
    message = shop.message("charge", **{field: value})
    stranger = RabbitmqBroker(url=shop.url)
    stranger.enqueue(message)
    stranger.close()
    spans = shop.pipe.wait_for(lambda spans: any(span.attributes.get("order") == message.args[0] for span in spans))
    (charging,) = [span for span in spans if span.attributes.get("order") == message.args[0]]
    assert charging.parent_id is not None  # inside a process span


def test_every_message_is_acknowledged_or_rejected_as_without_us(rabbitmq: str, tmp_path: Path) -> None:
    with opened_shop(rabbitmq, tmp_path) as shop:
        for actor, count in (("charge", 2), ("fail", 1), ("try_again", 8)):
            shop.order(actor, count)
    left = RabbitmqBroker(url=rabbitmq)
    assert left.get_queue_message_counts(shop.queue) == (0, 0, 1)
    left.close()
