"""Celery without a worker: eager tasks, publishing that fails, taking the instrumentation off, contrib's beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from unittest import mock

import pytest

pytest.importorskip("celery")

from celery import Celery, signals
from celery.app.task import Context
from kombu.exceptions import OperationalError
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from services.process import free_port
from tests.frameworks.conftest import Systems
from unbroken import process
from unbroken.frameworks.celery import instrument, uninstrument
from unbroken.messaging import semconv
from unbroken.testing import Spans

SIGNALS = (
    signals.before_task_publish,
    signals.after_task_publish,
    signals.task_prerun,
    signals.task_postrun,
    signals.worker_process_shutdown,
    signals.worker_shutdown,
)


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
    (processed,) = spans.named("process charge")
    assert processed.parent is not None
    assert processed.parent.span_id == request.get_span_context().span_id
    assert inside == _span_id(processed)


def test_an_eager_task_of_nobody_starts_a_trace(app: Celery, spans: Spans) -> None:
    task(app, nothing).apply()
    assert spans.named("process charge")[0].parent is None


def test_the_spans_of_a_task_have_its_name(app: Celery, spans: Spans) -> None:
    """What differs between two tasks of one queue."""
    task(app, nothing).apply()
    app.send_task("shop.ship")
    assert _names(spans) == ["process charge", "send shop.ship"]
    assert _attributes(spans.named("process charge")[0])["celery.task_name"] == "charge"
    assert _attributes(spans.named("process charge")[0])[semconv.SYSTEM] == "memory"


def test_the_delay_of_a_task_in_a_quorum_queue_is_in_no_destination(app: Celery, spans: Spans) -> None:
    """Celery writes it in binary before the routing key: each delay would be a destination of its own."""
    exchange, routing_key = "celery_delayed_27", f"{'0.' * 26}1.0.orders"
    app.send_task("charge", exchange=exchange, routing_key=routing_key)
    with process(Context(id="1", delivery_info={"exchange": exchange, "routing_key": routing_key})):
        pass
    assert [_attributes(span)[semconv.DESTINATION] for span in spans.finished] == ["orders", "orders"]


def test_the_retry_of_an_eager_task_is_in_the_trace(app: Celery, spans: Spans) -> None:
    def charge(task: Any) -> None:
        if task.request.retries == 0:
            raise task.retry(countdown=0, exc=ConnectionError())

    with trace.get_tracer("web").start_as_current_span("request") as request:
        task(app, charge, bind=True).apply()
    traces = [span.context.trace_id for span in spans.named("process charge") if span.context is not None]
    assert traces == [request.get_span_context().trace_id] * 2


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
def test_an_exception_passes_to_the_caller_and_is_on_the_span(app: Celery, spans: Spans, error: BaseException) -> None:
    def charge() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        task(app, charge).apply(throw=True)
    assert raised.value is error
    assert _attributes(spans.named("process charge")[0])["error.type"] == type(error).__name__


def test_an_ignored_task_has_no_error(app: Celery, spans: Spans) -> None:
    from celery.exceptions import Ignore

    def charge() -> None:
        raise Ignore

    task(app, charge).apply()
    assert spans.named("process charge")[0].status.is_unset


def test_a_span_of_a_publish_that_fails_ends_with_the_error(spans: Spans) -> None:
    app = Celery("shop", broker=f"amqp://127.0.0.1:{free_port()}//", set_as_current=False)
    app.conf.broker_transport_options = {"max_retries": 0, "interval_start": 0}
    instrument(app)
    with pytest.raises(OperationalError):
        app.send_task("charge", retry=False)
    uninstrument(app)
    (sent,) = spans.named("publish charge")
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
    assert seen[0] == _span_id(spans.named("send charge")[0])
    assert seen[1] == 0


def test_instrumenting_returns_the_app() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    assert instrument(app) is app
    assert instrument(app) is app
    uninstrument(app)


@pytest.mark.parametrize("of_class", [True, False], ids=["class", "app"])
@pytest.mark.parametrize("autospec", [True, False])
def test_a_send_task_that_a_test_has_replaced_publishes_nothing(app: Celery, of_class: bool, autospec: bool) -> None:
    published: list[object] = []
    signals.before_task_publish.connect(lambda **_: published.append(1), weak=False, dispatch_uid="look")
    with mock.patch.object(Celery if of_class else app, "send_task", autospec=autospec) as replaced:
        task(app, nothing).delay()
    signals.before_task_publish.disconnect(dispatch_uid="look")
    assert replaced.call_args.args[-3:] == ("charge", (), {})
    assert published == []


def test_an_app_that_was_instrumented_while_a_test_had_replaced_send_task_is_traced_after_it(spans: Spans) -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    with mock.patch.object(Celery, "send_task"):
        instrument(app)
    app.send_task("charge")
    uninstrument(app)
    assert _names(spans) == ["send charge"]


def test_a_subclass_that_publishes_in_its_own_way_is_traced(spans: Spans) -> None:
    class Shop(Celery):
        def send_task(self, *args: Any, **named: Any) -> Any:
            return super().send_task(*args, **{**named, "routing_key": "orders", "exchange": "shop"})

    app = instrument(Shop("shop", broker="memory://", set_as_current=False))
    app.send_task("charge")
    uninstrument(app)
    assert _attributes(spans.named("send charge")[0])[semconv.DESTINATION] == "orders"


@pytest.fixture
def always_eager(app: Celery) -> Celery:
    """The app as applications configure it in their tests."""
    app.conf.task_always_eager = True
    return app


def test_a_task_of_an_app_that_is_always_eager_has_the_spans_of_one_that_is_published(
    always_eager: Celery, spans: Spans
) -> None:
    with trace.get_tracer("web").start_as_current_span("request") as request:
        task(always_eager, nothing).delay()
    (sent,), (processed,) = spans.named("send charge"), spans.named("process charge")
    assert sent.parent is not None
    assert processed.parent is not None
    assert (sent.parent.span_id, processed.parent.span_id) == (_span_id(request), _span_id(sent))
    assert processed.links[0].context.span_id == _span_id(sent)
    assert _attributes(sent)[semconv.MESSAGE_ID] == _attributes(processed)[semconv.MESSAGE_ID]
    assert _attributes(sent)[semconv.DESTINATION] == _attributes(processed)[semconv.DESTINATION] == "celery"


def test_the_retry_of_a_task_that_is_always_eager_is_published_by_the_attempt_before(
    always_eager: Celery, spans: Spans
) -> None:
    def charge(task: Any) -> None:
        if task.request.retries == 0:
            raise task.retry(countdown=0, exc=ConnectionError())

    with trace.get_tracer("web").start_as_current_span("request"):
        task(always_eager, charge, bind=True).delay()
    first, second = sorted(spans.named("process charge"), key=lambda span: span.start_time or 0)
    _, again = sorted(spans.named("send charge"), key=lambda span: span.start_time or 0)
    assert again.parent is not None
    assert second.parent is not None
    assert (again.parent.span_id, second.parent.span_id) == (_span_id(first), _span_id(again))


BROKERS: list[tuple[str, str, dict[str, object]]] = [
    ("memory://", "memory", {}),
    ("filesystem://", "filesystem", {}),
    ("sqs://key:secret@localhost:9324", "aws_sqs", {}),
    ("amqp://broker//", "rabbitmq", {semconv.SERVER_ADDRESS: "broker", semconv.SERVER_PORT: 5672}),
    ("amqp://one//;amqp://other//", "rabbitmq", {}),
]
if find_spec("redis") is not None:
    BROKERS.append(("redis://cache:6380/0", "redis", {semconv.SERVER_ADDRESS: "cache", semconv.SERVER_PORT: 6380}))


@pytest.mark.parametrize(("url", "system", "server"), BROKERS)
def test_the_attributes_are_those_of_the_broker_in_use(
    spans: Spans, url: str, system: str, server: dict[str, object]
) -> None:
    app = instrument(Celery("shop", broker=url, set_as_current=False))
    app.conf.task_always_eager = True
    task(app, nothing).apply_async(
        exchange="shop", routing_key="orders", headers={"x-death": [{"queue": "a", "reason": "b", "count": 1}]}
    )
    uninstrument(app)
    is_rabbitmq = system == "rabbitmq"
    for span in spans.finished:
        found = _attributes(span)
        assert found[semconv.SYSTEM] == system
        assert found[semconv.DESTINATION] == ("shop:orders" if is_rabbitmq else "orders")
        assert found.get(semconv.RABBITMQ_ROUTING_KEY) == ("orders" if is_rabbitmq else None)
        assert {name: value for name, value in found.items() if name.startswith("server.")} == server
        assert (semconv.DEATH_QUEUE in found) is (is_rabbitmq and span.kind is SpanKind.CONSUMER)
        assert "None" not in str(found.values())
    operation = "publish" if is_rabbitmq else "send"
    assert _names(spans) == [f"{operation} charge", "process charge"]


@pytest.mark.parametrize(
    "options", [{}, {"exchange": None, "routing_key": None}, {"exchange": "shop"}, {"routing_key": "orders"}], ids=str
)
@pytest.mark.parametrize("url", ["memory://", "sqs://key:secret@localhost:9324", "amqp://"])
def test_no_attribute_is_none_or_its_text(spans: Spans, url: str, options: dict[str, Any]) -> None:
    app = instrument(Celery("shop", broker=url, set_as_current=False))
    app.conf.task_always_eager = True
    task(app, nothing).apply_async(**options)
    signals.before_task_publish.send(sender=None, headers={}, properties=None, exchange=None, routing_key=None)
    uninstrument(app)
    values = [value for span in spans.finished for value in (span.name, *_attributes(span).values())]
    assert [value for value in values if value is None or "None" in str(value)] == []


def test_every_metric_of_a_task_names_the_broker_that_the_spans_name(
    always_eager: Celery, spans: Spans, systems: Systems
) -> None:
    charge = task(always_eager, nothing)
    charge.delay()
    always_eager.conf.task_always_eager = False
    charge.apply(headers={"traceparent": "no context"})
    assert systems() == {
        "messaging.client.operation.duration": {"memory"},
        "messaging.client.sent.messages": {"memory"},
        "messaging.client.consumed.messages": {"memory"},
        "messaging.process.duration": {"memory"},
        "unbroken.carriers.malformed": {"memory"},
    }


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
    assert len(spans.named("send charge")) == 1


def test_a_task_that_runs_while_its_app_is_uninstrumented_ends_its_span(app: Celery, spans: Spans) -> None:
    def charge() -> None:
        uninstrument(app)

    task(app, charge).apply()
    assert len(spans.named("process charge")) == 1


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
    assert _names(spans) == ["send charge", "process charge"]


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
    assert _names(spans) == ["send charge", "process charge"]


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
