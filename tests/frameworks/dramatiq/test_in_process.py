"""The middleware on dramatiq's broker in memory: its place, other middleware, messages that are not enqueued."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("dramatiq")

import dramatiq
from dramatiq import Message, Middleware, Worker
from dramatiq.broker import Broker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import MiddlewareError, SkipMessage
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan

from tests.frameworks.conftest import Systems
from unbroken.frameworks.dramatiq import UnbrokenMiddleware, instrument
from unbroken.messaging import semconv
from unbroken.testing import Spans


@pytest.fixture
def broker() -> Iterator[StubBroker]:
    """A broker with one actor, `charge`, and our middleware."""
    broker = StubBroker()
    broker.add_middleware(UnbrokenMiddleware())
    _actor(broker)
    yield broker
    broker.close()


def test_the_middleware_is_the_first_once_a_worker_starts(broker: StubBroker) -> None:
    _work(broker)
    assert isinstance(broker.middleware[0], UnbrokenMiddleware)


def test_the_middleware_that_was_added_twice_is_there_once(broker: StubBroker, spans: Spans) -> None:
    broker.add_middleware(UnbrokenMiddleware())
    _enqueue(broker)
    _work(broker)
    assert [span.name for span in spans.finished] == ["send charge", "process charge"]
    assert sum(isinstance(one, UnbrokenMiddleware) for one in broker.middleware) == 1


def test_instrument_adds_the_middleware_once(spans: Spans) -> None:
    broker = StubBroker()
    assert instrument(broker) is broker
    assert instrument(broker) is broker
    _actor(broker)
    _enqueue(broker)
    _work(broker)
    assert [span.name for span in spans.finished] == ["send charge", "process charge"]
    broker.close()


class RedisBroker(StubBroker):
    """What the middleware takes for dramatiq's own."""


class RabbitmqBroker(StubBroker):
    """The same."""


@pytest.mark.parametrize(
    ("kind", "system"), [(StubBroker, "dramatiq"), (RedisBroker, "redis"), (RabbitmqBroker, "rabbitmq")]
)
def test_spans_and_metrics_name_the_broker_in_use(
    kind: type[StubBroker], system: str, spans: Spans, systems: Systems
) -> None:
    broker = instrument(kind())
    _actor(broker)
    _enqueue(broker)
    broker.queues["shop"].put(Message("shop", "charge", (), {}, {"traceparent": "no context"}).encode())
    _work(broker)
    broker.close()
    attributes = [dict(span.attributes or {}) for span in spans.finished]
    assert {one[semconv.SYSTEM] for one in attributes} == {system}
    assert {one.get(semconv.RABBITMQ_ROUTING_KEY) for one in attributes} <= {
        "shop" if system == "rabbitmq" else None,
        None,
    }
    assert systems() == {
        "messaging.client.operation.duration": {system},
        "messaging.client.sent.messages": {system},
        "messaging.client.consumed.messages": {system},
        "messaging.process.duration": {system},
        "unbroken.queue.duration": {system},
        "unbroken.carriers.malformed": {system},
    }


def test_an_enqueue_that_a_test_has_replaced_enqueues_nothing(broker: StubBroker, spans: Spans) -> None:
    with mock.patch.object(StubBroker, "enqueue") as enqueue:
        _enqueue(broker)
    enqueue.assert_called_once()
    assert (spans.finished, broker.queues["shop"].qsize()) == ([], 0)


def test_what_other_middleware_does_after_an_actor_is_in_its_span(broker: StubBroker, spans: Spans) -> None:
    class Afterwards(Middleware):
        def after_process_message(self, *_: object, **__: object) -> None:
            _span("afterwards")

    broker.add_middleware(Afterwards())
    _enqueue(broker)
    _work(broker)
    _assert_is_child(spans.named("afterwards")[0], spans.named("process charge")[0])


def test_a_message_that_is_skipped_ends_its_span_without_an_error(broker: StubBroker, spans: Spans) -> None:
    class Skip(Middleware):
        def before_process_message(self, broker: Broker, message: Any) -> None:
            raise SkipMessage

    broker.add_middleware(Skip())
    _enqueue(broker)
    _work(broker)
    assert spans.named("process charge")[0].status.is_unset


def test_a_time_limit_is_an_error_like_any_other(spans: Spans) -> None:
    def dawdle() -> None:
        for _ in range(2000):  # exceptions of other threads come between two instructions
            time.sleep(0.01)

    broker = StubBroker(middleware=[dramatiq.middleware.TimeLimit(interval=10), UnbrokenMiddleware()])
    _actor(broker, dawdle, time_limit=10)
    _enqueue(broker)
    broker.emit_after("process_boot")  # starts the clock
    _work(broker)
    attributes = dict(spans.named("process charge")[0].attributes or {})
    assert str(attributes["error.type"]).endswith("TimeLimitExceeded")


def test_the_exception_of_an_actor_reaches_other_middleware_untouched(spans: Spans) -> None:
    error, seen = ValueError("no"), []

    def charge() -> None:
        raise error

    class Look(Middleware):
        def after_process_message(self, broker: Broker, message: Any, *, exception: Any = None, **_: object) -> None:
            seen.append(exception)

    broker = StubBroker(middleware=[Look(), UnbrokenMiddleware()])
    _actor(broker, charge)
    _enqueue(broker)
    _work(broker)
    assert seen == [error]


def test_a_message_that_is_not_enqueued_ends_its_span_with_an_error(broker: StubBroker, spans: Spans) -> None:
    class Refuse(Middleware):
        def before_enqueue(self, *_: object) -> None:
            raise MiddlewareError

    broker.add_middleware(Refuse())
    with pytest.raises(MiddlewareError):
        _enqueue(broker)
    gc.collect()
    (sent,) = spans.named("send charge")
    assert dict(sent.attributes or {})["error.type"] == "_OTHER"


def test_a_message_that_is_enqueued_again_has_a_span_for_each_attempt(broker: StubBroker, spans: Spans) -> None:
    refusals = [MiddlewareError()]

    class RefuseOnce(Middleware):
        def before_enqueue(self, *_: object) -> None:
            if refusals:
                raise refusals.pop()

    broker.add_middleware(RefuseOnce())
    message = _message()
    with pytest.raises(MiddlewareError):
        broker.enqueue(message)
    broker.enqueue(message)
    assert [span.status.is_ok for span in spans.named("send charge")] == [False, True]


def test_a_message_enqueued_from_two_traces_is_in_each(broker: StubBroker) -> None:
    message = _message()
    traces = [_trace_of(lambda: broker.enqueue(message)) for _ in range(2)]
    carried = [Message.decode(broker.queues["shop"].get()).options["traceparent"][3:35] for _ in range(2)]
    assert carried == traces


def test_the_options_of_the_application_stay_as_they_were(broker: StubBroker, spans: Spans) -> None:
    options = {"max_retries": 1}
    message: Message[Any] = Message("shop", "charge", (), {}, options)
    broker.enqueue(message)
    assert (options, message.options) == ({"max_retries": 1}, {"max_retries": 1})


def test_what_other_middleware_puts_into_the_options_stays_there(broker: StubBroker, spans: Spans) -> None:
    class Put(Middleware):
        def before_enqueue(self, broker: Broker, message: Any, delay: int | None) -> None:
            message.options["priority"] = "high"

    broker.add_middleware(Put())
    message = _message()
    broker.enqueue(message)
    assert message.options == {"priority": "high"}


def test_a_pipeline_is_one_trace(broker: StubBroker, spans: Spans) -> None:
    with trace.get_tracer("web").start_as_current_span("request") as request:
        dramatiq.pipeline([_message(), _message()], broker=broker).run()
    _work(broker)
    processed = spans.named("process charge")
    assert len(processed) == 2
    assert {_span_context(span).trace_id for span in processed} == {request.get_span_context().trace_id}


def test_no_span_where_instrumentation_is_suppressed(broker: StubBroker, spans: Spans) -> None:
    token = context.attach(context.set_value("suppress_instrumentation", True))
    _enqueue(broker)
    context.detach(token)
    assert spans.finished == []


def nothing(*_: object) -> None:
    """What an actor does."""


def _actor(broker: Broker, function: Callable[..., Any] = nothing, **options: Any) -> None:
    dramatiq.actor(actor_name="charge", queue_name="shop", broker=broker, **options)(function)


def _message() -> Message[Any]:
    return Message("shop", "charge", (), {}, {})


def _enqueue(broker: Broker) -> None:
    broker.enqueue(_message())


def _work(broker: StubBroker) -> None:
    """Process what was enqueued."""
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        broker.join("shop", fail_fast=False, timeout=30_000)
        worker.join()
    finally:
        worker.stop()


def _span(name: str) -> None:
    with trace.get_tracer("shop").start_as_current_span(name):
        pass


def _trace_of(run: Callable[[], object]) -> str:
    with trace.get_tracer("web").start_as_current_span("request") as span:
        run()
    return f"{span.get_span_context().trace_id:032x}"


def _span_context(span: ReadableSpan) -> trace.SpanContext:
    found: trace.SpanContext | None = span.context
    assert found is not None
    return found


def _assert_is_child(child: ReadableSpan, parent: ReadableSpan) -> None:
    assert child.parent is not None
    assert child.parent.span_id == _span_context(parent).span_id
