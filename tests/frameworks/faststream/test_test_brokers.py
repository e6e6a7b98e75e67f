"""FastStream's brokers in memory, for the tests of applications: the middleware is no reason for another result."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from faststream import ContextRepo
from faststream.confluent import KafkaBroker as ConfluentBroker
from faststream.confluent import TestKafkaBroker as InMemoryConfluent
from faststream.kafka import KafkaBroker
from faststream.kafka import TestKafkaBroker as InMemoryKafka
from faststream.rabbit import RabbitBroker
from faststream.rabbit import TestRabbitBroker as InMemoryRabbit
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode

from tests.frameworks.faststream.conftest import parent_of, trace_of
from unbroken import process
from unbroken.frameworks.faststream import Records, UnbrokenMiddleware, instrument
from unbroken.testing import Spans

tracer = trace.get_tracer("shop")

BROKERS = [(KafkaBroker, InMemoryKafka), (ConfluentBroker, InMemoryConfluent), (RabbitBroker, InMemoryRabbit)]
IDS = ["aiokafka", "confluent", "rabbitmq"]


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_a_handler_is_called_and_its_result_published(kind: Any, in_memory: Any, spans: Spans) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)

    @broker.subscriber("orders")
    @broker.publisher("paid")
    async def pay(order: str) -> str:
        return f"{order} is paid"

    @broker.subscriber("paid")
    async def tell(payment: str) -> None: ...

    async with in_memory(broker):
        await broker.publish("order 1", "orders")
        pay.mock.assert_called_once_with("order 1")
        tell.mock.assert_called_once_with("order 1 is paid")


@pytest.mark.parametrize(("kind", "in_memory"), [BROKERS[0], BROKERS[2]], ids=[IDS[0], IDS[2]])
async def test_a_handler_that_publishes_to_itself_has_a_span_each_time(kind: Any, in_memory: Any, spans: Spans) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)
    traces = []

    @broker.subscriber("orders")
    async def pay(order: int) -> None:
        traces.append(trace_of(trace.get_current_span()))
        if order < 3:
            await broker.publish(order + 1, "orders")

    async with in_memory(broker):
        await broker.publish(1, "orders")
    assert len(traces) == 3
    assert len(set(traces)) == 1
    assert len([span for span in spans.finished if span.kind is SpanKind.CONSUMER]) == 3


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_a_message_has_the_spans_that_it_has_on_a_real_broker(
    kind: Any, in_memory: Any, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)
    seen = []

    @broker.subscriber("orders")
    async def pay(order: str) -> None:
        seen.append((trace.get_current_span(), baggage.get_baggage("user")))

    token = context.attach(baggage.set_baggage("user", "1"))
    async with in_memory(broker):
        with tracer.start_as_current_span("request") as request:
            await broker.publish("order 1", "orders")
    context.detach(token)
    (sent,) = of_kind(spans, SpanKind.PRODUCER)
    (processed,) = of_kind(spans, SpanKind.CONSUMER)
    assert parent_of(sent) == request.get_span_context().span_id
    assert parent_of(processed) == sent.context.span_id
    assert [link.context.span_id for link in processed.links] == [sent.context.span_id]
    assert [(span.get_span_context().span_id, user) for span, user in seen] == [(processed.context.span_id, "1")]
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS[:2], ids=IDS[:2])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_batch_has_the_spans_that_it_has_on_a_real_broker(
    kind: Any, in_memory: Any, count: int, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)
    inside = []

    @broker.subscriber("orders", batch=True)
    async def pay(orders: list[str], records: Records) -> None:
        inside.append(trace.get_current_span())
        for _, record in zip(orders, records, strict=True):
            with process(record):
                pass

    async with in_memory(broker):
        with tracer.start_as_current_span("request"):
            if count == 1:
                await broker.publish("order", "orders")
            else:
                await broker.publish_batch(*["order"] * count, topic="orders")
    (sent,) = of_kind(spans, SpanKind.PRODUCER)
    (received,) = of_kind(spans, SpanKind.CLIENT)
    processed = of_kind(spans, SpanKind.CONSUMER)
    assert received.name == "poll orders"
    assert received.attributes["messaging.batch.message_count"] == count
    assert received.parent is None
    assert [link.context.span_id for link in received.links] == [sent.context.span_id] * count
    assert [parent_of(span) for span in processed] == [sent.context.span_id] * count
    assert [span.get_span_context().span_id for span in inside] == [received.context.span_id]
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_a_handler_that_fails_is_no_failure_of_who_publishes(kind: Any, in_memory: Any, spans: Spans) -> None:
    """A broker in memory raises it there, for the test; on a real one the publish has succeeded."""
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)

    @broker.subscriber("orders")
    async def pay(order: str) -> None:
        raise ValueError(order)

    async with in_memory(broker):
        with pytest.raises(ValueError, match="order 1"):
            await broker.publish("order 1", "orders")
    assert [span.status.status_code for span in of_kind(spans, SpanKind.CONSUMER)] == [StatusCode.ERROR]
    assert [span.status.status_code for span in of_kind(spans, SpanKind.PRODUCER)] == [StatusCode.UNSET]


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_nothing_of_a_message_is_left_where_it_was_published(kind: Any, in_memory: Any, spans: Spans) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)

    @broker.subscriber("orders")
    async def pay(order: str) -> None:
        context.attach(context.set_value("left by the handler", order))

    async with in_memory(broker):
        before = context.get_current()
        await broker.publish("order 1", "orders")
        assert context.get_current() == before


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_no_span_where_instrumentation_is_suppressed(kind: Any, in_memory: Any, spans: Spans) -> None:
    broker = kind(middlewares=[UnbrokenMiddleware], logger=None)

    @broker.subscriber("orders")
    async def pay(order: str) -> None: ...

    async with in_memory(broker):
        with suppress_instrumentation():
            await broker.publish("order 1", "orders")
    assert spans.finished == []


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_instrument_adds_the_middleware_once_also_to_a_broker_with_subscribers(
    kind: Any, in_memory: Any, spans: Spans
) -> None:
    broker = kind(logger=None)

    @broker.subscriber("orders")
    async def pay(order: str) -> None: ...

    assert instrument(broker) is broker
    assert instrument(broker) is broker
    async with in_memory(broker):
        await broker.publish("order 1", "orders")
    assert sorted(span.kind.name for span in spans.finished) == ["CONSUMER", "PRODUCER"]


@pytest.mark.parametrize(("kind", "in_memory"), BROKERS, ids=IDS)
async def test_a_publish_that_a_test_has_replaced_publishes_nothing(kind: Any, in_memory: Any, spans: Spans) -> None:
    broker = instrument(kind(logger=None))
    with mock.patch.object(kind, "publish") as publish:
        await broker.publish("order 1", "orders")
    publish.assert_awaited_once_with("order 1", "orders")
    assert spans.finished == []


async def test_a_message_of_another_broker_passes_without_a_span(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    repository = ContextRepo()
    with repository.scope("handler_", SimpleNamespace(calls=[])):
        async with UnbrokenMiddleware(object(), context=repository):
            assert trace.get_current_span() is trace.INVALID_SPAN
    assert spans.finished == []
    assert warnings_of(caplog) == ["WARNING"]


def of_kind(spans: Spans, kind: SpanKind) -> list[Any]:
    return [span for span in spans.finished if span.kind is kind]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The levels of what was logged about messages."""
    return [line.levelname for line in caplog.records if line.name == "unbroken"]
