"""Celery on real brokers: publisher, task, retry and dead letter in one trace, and nothing of Celery changes."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path

import pytest
from celery import Celery, chain, chord, group
from opentelemetry import trace

from tests.frameworks.celery import settings
from tests.frameworks.celery.conftest import Order, Shop, opened_shop
from tests.frameworks.exported import Exported
from unbroken.messaging import semconv
from unbroken.testing import Spans

ON_RABBITMQ = pytest.mark.shops("rabbitmq-solo", "rabbitmq-prefork", "rabbitmq-threads")
ONCE = pytest.mark.shops("rabbitmq-prefork")


def test_a_task_runs_in_the_trace_that_published_it(shop: Shop, spans: Spans) -> None:
    order = shop.order("charge", 2)
    (sent,) = [span for span in spans.finished if span.kind.name == "PRODUCER"]
    (processed,) = order.of("CONSUMER")
    (charging,) = order.named("charging")
    assert sent.context is not None
    assert processed.parent_id == f"{sent.context.span_id:016x}"
    assert processed.links == [processed.parent_id]
    assert charging.parent_id == processed.span_id


def test_the_spans_say_which_task_and_which_queue(shop: Shop, spans: Spans) -> None:
    (processed,) = shop.order("charge", 2).of("CONSUMER")
    (sent,) = [span for span in spans.finished if span.kind.name == "PRODUCER"]
    is_rabbitmq = shop.broker.startswith("amqp")
    assert processed.name == "process charge"
    assert sent.name == f"{'publish' if is_rabbitmq else 'send'} charge"
    for attributes in (processed.attributes, dict(sent.attributes or {})):
        assert attributes[semconv.SYSTEM] == ("rabbitmq" if is_rabbitmq else "aws_sqs")
        assert attributes[semconv.DESTINATION] == shop.queue
        assert attributes["celery.task_name"] == "charge"
        assert attributes.get(semconv.RABBITMQ_ROUTING_KEY) == (shop.queue if is_rabbitmq else None)
    assert processed.attributes.get(semconv.RECEIVE_COUNT) == (None if is_rabbitmq else 1)
    assert processed.attributes[semconv.MESSAGE_ID] == (sent.attributes or {})[semconv.MESSAGE_ID]


def test_a_retry_goes_on_in_the_trace(shop: Shop) -> None:
    order = shop.order("try_again", 6)
    attempts, republished = order.of("CONSUMER"), order.of("PRODUCER")
    assert [one.attributes["unbroken.message.attempt"] for one in attempts] == [1, 2, 3]
    assert [one.parent_id for one in republished] == [one.span_id for one in attempts[:2]]
    assert [one.parent_id for one in attempts[1:]] == [one.span_id for one in republished]


def test_an_attempt_that_is_retried_has_the_error_that_caused_it(shop: Shop) -> None:
    attempts = shop.order("try_again", 6).of("CONSUMER")
    assert [one.attributes.get("error.type") for one in attempts] == ["ConnectionError", "ConnectionError", None]
    assert [one.attributes["celery.state"] for one in attempts] == ["RETRY", "RETRY", "SUCCESS"]


def test_a_retry_that_nothing_has_caused_is_no_error(shop: Shop) -> None:
    attempts = shop.order("poll", 3).of("CONSUMER")
    assert [(one.error, one.events) for one in attempts] == [(None, []), (None, [])]


def test_a_task_that_fails_has_its_exception_on_its_span_once(shop: Shop) -> None:
    (processed,) = shop.order("fail", 1).of("CONSUMER")
    assert processed.attributes["error.type"] == "ValueError"
    assert processed.events == ["exception"]


def test_a_dead_letter_keeps_the_trace(shop: Shop) -> None:
    """RabbitMQ dead-letters it when it is rejected, SQS when it comes a second time."""
    order = shop.order("refuse", 3)
    refused, handled = order.of("CONSUMER")
    assert refused.attributes["celery.state"] == "REJECTED"
    assert refused.attributes["error.type"] == "ValueError"
    assert handled.attributes[semconv.DESTINATION] == f"{shop.queue}-dead"
    assert handled.parent_id == refused.parent_id


@ONCE
def test_a_dead_letter_says_where_it_died(shop: Shop) -> None:
    handled = shop.order("refuse", 3).of("CONSUMER")[1]
    assert handled.attributes[semconv.DEATH_QUEUE] == shop.queue
    assert handled.attributes[semconv.DEATH_REASON] == "rejected"


def test_what_a_task_publishes_is_a_child_of_it(shop: Shop) -> None:
    order = shop.order("publish_more", 4)
    outer, inner = order.of("CONSUMER")
    (published,) = order.of("PRODUCER")
    assert published.parent_id == outer.span_id
    assert inner.parent_id == published.span_id


@pytest.mark.parametrize(("task", "count"), [("charge", 2), ("fail", 1), ("poll", 3), ("leave", 1)])
def test_the_context_is_as_it_was_after_a_task(shop: Shop, task: str, count: int) -> None:
    order = shop.order(task, count)
    wanted = {span.attributes[semconv.MESSAGE_ID] for span in order.of("CONSUMER")}
    spans = shop.pipe.wait_for(lambda spans: any(_is_after(span, wanted) for span in spans))
    assert {str(span.attributes["left"]) for span in spans if _is_after(span, wanted)} == {"[]"}


def _is_after(span: Exported, ids: set[object]) -> bool:
    return span.name == "after" and span.attributes["id"] in ids


@ONCE
def test_a_soft_time_limit_is_an_error_like_any_other(shop: Shop) -> None:
    order = shop.order("dawdle", 2)
    (processed,) = order.of("CONSUMER")
    assert str(processed.attributes["error.type"]).endswith("SoftTimeLimitExceeded")
    assert order.named("charging")[0].parent_id == processed.span_id


@ONCE
def test_each_task_of_a_chain_is_published_by_the_one_before(shop: Shop) -> None:
    with trace.get_tracer("web").start_as_current_span("request") as request:
        chain(*[shop.app.signature("charge", args=("a",)), *[shop.app.signature("charge")] * 2]).apply_async()
    order = _came_of(shop, request, 8)
    tasks, published = order.of("CONSUMER"), order.of("PRODUCER")
    assert [one.parent_id for one in published] == [one.span_id for one in tasks[:2]]
    assert [one.parent_id for one in tasks[1:]] == [one.span_id for one in published]


@ONCE
def test_each_task_of_a_group_has_a_message_of_its_own(shop: Shop, spans: Spans) -> None:
    with trace.get_tracer("web").start_as_current_span("request") as request:
        group(shop.app.signature("charge", args=(str(number),)) for number in range(3)).apply_async()
    parents = {span.parent_id for span in _came_of(shop, request, 6).of("CONSUMER")}
    sent = [span.context for span in spans.finished if span.kind.name == "PRODUCER"]
    assert parents == {f"{one.span_id:016x}" for one in sent if one is not None}
    assert len(parents) == 3


@ONCE
def test_the_body_of_a_chord_is_in_the_trace(shop: Shop) -> None:
    header = [shop.app.signature("charge", args=(str(number),)) for number in range(2)]
    with trace.get_tracer("web").start_as_current_span("request") as request:
        chord(header)(shop.app.signature("total"))
    trace_id = f"{request.get_span_context().trace_id:032x}"
    shop.pipe.wait_for(
        lambda spans: any(
            span.trace_id == trace_id and span.attributes.get("celery.task_name") == "total" and span.kind == "CONSUMER"
            for span in spans
        )
    )


@pytest.mark.shops("rabbitmq-solo", "sqs-solo")
@pytest.mark.parametrize(
    "value",
    [
        5,
        1.5,
        None,
        True,
        "",
        "garbage",
        "00-\u00e9",
        ["a", "list"],
        {"a": "table"},
        "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
    ],
)
@pytest.mark.parametrize("field", ["traceparent", "tracestate", "baggage"])
def test_a_bad_header_costs_no_task(shop: Shop, field: str, value: object) -> None:
    assert _ran(shop, {field: value})


@ON_RABBITMQ
@pytest.mark.parametrize("value", [b"\xff\xfe", dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)])
def test_a_header_that_is_no_text_costs_no_task(shop: Shop, value: object) -> None:
    assert _ran(shop, {"traceparent": value})


def test_the_headers_of_the_application_stay_as_they_were(shop: Shop, spans: Spans) -> None:
    headers = {"shop": "north"}
    shop.order("charge", 2, headers=headers)
    assert headers == {"shop": "north"}


@pytest.mark.parametrize("pool", ["solo", "prefork"])
def test_every_message_is_acknowledged_as_without_us(rabbitmq: str, pool: str, tmp_path: Path) -> None:
    with opened_shop(rabbitmq, pool, tmp_path) as shop:
        for task, count in (("charge", 2), ("fail", 1), ("try_again", 6), ("refuse", 3)):
            shop.order(task, count)
        shop.worker.stop()
        with shop.app.connection_for_read() as connection:
            left = [
                connection.default_channel.queue_declare(name, passive=True).message_count
                for name in (shop.queue, f"{shop.queue}-dead")
            ]
    assert left == [0, 0]


def _ran(shop: Shop, headers: dict[str, object]) -> bool:
    """Publish a task by an app that is not instrumented, and return whether it was executed."""
    order = uuid.uuid4().hex
    app = Celery("stranger", set_as_current=False)
    settings.configure(app, shop.broker, shop.queue)
    app.send_task("charge", (order,), headers=headers)
    app.close()
    spans = shop.pipe.wait_for(lambda spans: any(span.attributes.get("order") == order for span in spans))
    (charging,) = [span for span in spans if span.attributes.get("order") == order]
    return charging.parent_id is not None  # inside a process span


def _came_of(shop: Shop, request: trace.Span, count: int) -> Order:
    return shop.came_of("", f"{request.get_span_context().trace_id:032x}", count)
