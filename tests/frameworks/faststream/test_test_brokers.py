"""FastStream's brokers in memory, for the tests of applications: the middleware is no reason for another result."""

from types import SimpleNamespace
from typing import Any

import pytest
from faststream import ContextRepo
from faststream.confluent import KafkaBroker as ConfluentBroker
from faststream.confluent import TestKafkaBroker as InMemoryConfluent
from faststream.kafka import KafkaBroker
from faststream.kafka import TestKafkaBroker as InMemoryKafka
from faststream.rabbit import RabbitBroker
from faststream.rabbit import TestRabbitBroker as InMemoryRabbit
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from tests.frameworks.faststream.conftest import trace_of
from unbroken.frameworks.faststream import UnbrokenMiddleware
from unbroken.testing import Spans

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


async def test_a_message_of_another_broker_passes_without_a_span(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    repository = ContextRepo()
    with repository.scope("handler_", SimpleNamespace(calls=[])):
        async with UnbrokenMiddleware(object(), context=repository):
            assert trace.get_current_span() is trace.INVALID_SPAN
    assert spans.finished == []
    assert [line.levelname for line in caplog.records if line.name == "unbroken"] == ["WARNING"]
