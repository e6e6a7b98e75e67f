"""Celery without a worker: eager tasks, publishing that fails, taking the instrumentation off, contrib's beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("celery")

from celery import Celery, signals
from celery.app.task import Context
from kombu.exceptions import OperationalError
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan

from services.process import free_port
from unbroken import process
from unbroken.frameworks.celery import instrument, uninstrument
from unbroken.messaging import semconv
from unbroken.testing import Spans

SIGNALS = (signals.before_task_publish, signals.after_task_publish, signals.task_prerun, signals.task_postrun)


def task(app: Celery, function: Callable[..., Any], **options: Any) -> Any:
    """Return the task `charge` of an app; those of Celery's default are shared by all apps."""
    return app.task(name="charge", shared=False, **options)(function)


def nothing() -> None:
    """What a task does."""


@pytest.fixture
def app() -> Iterator[Celery]:
    """An app on a broker in memory, instrumented, with tasks of its own."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    instrument(app)
    yield app
    uninstrument(app)
    app.close()


def test_an_eager_task_is_in_the_trace_of_its_caller(app: Celery, spans: Spans) -> None:
    def charge() -> int:
        return _span_id(trace.get_current_span())

    with trace.get_tracer("web").start_as_current_span("request") as request:
        inside = task(app, charge).apply().get()
    (processed,) = spans.named("process celery")
    assert processed.parent is not None
    assert processed.parent.span_id == request.get_span_context().span_id
    assert inside == _span_id(processed)


def test_an_eager_task_of_nobody_starts_a_trace(app: Celery, spans: Spans) -> None:
    task(app, nothing).apply()
    assert spans.named("process celery")[0].parent is None


def test_the_span_of_a_task_names_it(app: Celery, spans: Spans) -> None:
    task(app, nothing).apply()
    assert _attributes(spans.named("process celery")[0])["celery.task_name"] == "charge"
    assert _attributes(spans.named("process celery")[0])[semconv.SYSTEM] == "memory"


def test_the_delay_of_a_task_in_a_quorum_queue_is_in_no_span_name(app: Celery, spans: Spans) -> None:
    """Celery writes it in binary before the routing key: each delay would be a destination of its own."""
    exchange, routing_key = "celery_delayed_27", f"{'0.' * 26}1.0.orders"
    app.send_task("charge", exchange=exchange, routing_key=routing_key)
    with process(Context(id="1", delivery_info={"exchange": exchange, "routing_key": routing_key})):
        pass
    assert [span.name for span in spans.finished] == ["send orders", "process orders"]


def test_the_retry_of_an_eager_task_is_in_the_trace(app: Celery, spans: Spans) -> None:
    def charge(task: Any) -> None:
        if task.request.retries == 0:
            raise task.retry(countdown=0, exc=ConnectionError())

    with trace.get_tracer("web").start_as_current_span("request") as request:
        task(app, charge, bind=True).apply()
    traces = [span.context.trace_id for span in spans.named("process celery") if span.context is not None]
    assert traces == [request.get_span_context().trace_id] * 2


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
def test_an_exception_passes_to_the_caller_and_is_on_the_span(app: Celery, spans: Spans, error: BaseException) -> None:
    def charge() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        task(app, charge).apply(throw=True)
    assert raised.value is error
    assert _attributes(spans.named("process celery")[0])["error.type"] == type(error).__name__


def test_an_ignored_task_has_no_error(app: Celery, spans: Spans) -> None:
    from celery.exceptions import Ignore

    def charge() -> None:
        raise Ignore

    task(app, charge).apply()
    assert spans.named("process celery")[0].status.is_unset


def test_a_span_of_a_publish_that_fails_ends_with_the_error(spans: Spans) -> None:
    app = Celery("shop", broker=f"amqp://127.0.0.1:{free_port()}//", set_as_current=False)
    app.conf.broker_transport_options = {"max_retries": 0, "interval_start": 0}
    instrument(app)
    with pytest.raises(OperationalError):
        app.send_task("charge", retry=False)
    uninstrument(app)
    (sent,) = spans.named("publish celery")
    assert _attributes(sent)["error.type"] == "kombu.exceptions.OperationalError"


def test_the_span_of_a_publish_is_current_until_the_broker_has_the_message(app: Celery, spans: Spans) -> None:
    seen: list[int] = []

    @signals.after_task_publish.connect(weak=False, dispatch_uid="look")
    def look(**_: object) -> None:
        seen.append(_span_id(trace.get_current_span()))

    with app.amqp.producer_pool.acquire() as producer:
        publish = producer.publish

        def watched(*args: Any, **named: Any) -> Any:
            seen.append(_span_id(trace.get_current_span()))
            return publish(*args, **named)

        producer.publish = watched
        app.send_task("charge", producer=producer)
    signals.after_task_publish.disconnect(dispatch_uid="look")
    assert seen[0] == _span_id(spans.named("send celery")[0])
    assert seen[1] == 0


def test_uninstrumenting_leaves_nothing_behind() -> None:
    before = [list(signal.receivers) for signal in SIGNALS]
    app = Celery("shop", broker="memory://", set_as_current=False)
    instrument(app)
    instrument(app)
    uninstrument(app)
    uninstrument(app)
    assert [list(signal.receivers) for signal in SIGNALS] == before
    assert "send_task" not in vars(app)


def test_uninstrumenting_one_app_leaves_the_other_instrumented(app: Celery, spans: Spans) -> None:
    other = Celery("other", broker="memory://", set_as_current=False)
    instrument(other)
    uninstrument(other)
    app.send_task("charge")
    other.send_task("charge")
    assert len(spans.named("send celery")) == 1


def test_a_task_that_runs_while_its_app_is_uninstrumented_ends_its_span(app: Celery, spans: Spans) -> None:
    def charge() -> None:
        uninstrument(app)

    task(app, charge).apply()
    assert len(spans.named("process celery")) == 1


def test_a_task_that_is_not_of_an_instrumented_app_has_no_span(app: Celery, spans: Spans) -> None:
    task(Celery("other", set_as_current=False), nothing).apply()
    assert spans.finished == []


@pytest.fixture
def contrib() -> Iterator[Any]:
    """OpenTelemetry's own instrumentor of Celery, off."""
    module = pytest.importorskip("opentelemetry.instrumentation.celery")
    instrumentor = module.CeleryInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def test_contrib_that_was_on_before_is_switched_off(contrib: Any, spans: Spans) -> None:
    contrib.instrument()
    app = Celery("shop", broker="memory://", set_as_current=False)
    instrument(app)
    _publish_and_execute(app)
    assert _names(spans) == ["send celery", "process celery"]


def test_ours_steps_aside_for_contrib_that_is_switched_on_later(contrib: Any, spans: Spans) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    instrument(app)
    contrib.instrument()
    _publish_and_execute(app)
    assert _names(spans) == ["apply_async/charge", "run/charge"]


def test_ours_is_back_once_contrib_is_off(contrib: Any, spans: Spans) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    instrument(app)
    contrib.instrument()
    contrib.uninstrument()
    _publish_and_execute(app)
    assert _names(spans) == ["send celery", "process celery"]


def test_no_span_where_instrumentation_is_suppressed(app: Celery, spans: Spans) -> None:
    token = context.attach(context.set_value("suppress_instrumentation", True))
    app.send_task("charge")
    context.detach(token)
    assert spans.finished == []


def _publish_and_execute(app: Celery) -> None:
    charge = task(app, nothing)
    charge.delay()
    charge.apply()
    uninstrument(app)


def _names(spans: Spans) -> list[str]:
    return [span.name for span in spans.finished]


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _span_id(span: Any) -> int:
    span_id: int = span.get_span_context().span_id
    return span_id
