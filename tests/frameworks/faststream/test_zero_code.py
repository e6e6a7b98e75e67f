"""FastStream with the middleware while its client is instrumented too: a message has one span on each side."""

from collections.abc import Iterator

import pytest
from opentelemetry.trace import SpanKind

from tests.frameworks.faststream.conftest import KINDS, Kafka, Seen
from unbroken.clients.aiokafka.zero_code import PATCHES
from unbroken.clients.patches import install, uninstall
from unbroken.frameworks.faststream import UnbrokenMiddleware
from unbroken.testing import Spans


@pytest.fixture
def instrumented() -> Iterator[None]:
    """The classes of aiokafka, patched as `opentelemetry-instrument` does it."""
    install(PATCHES)
    yield
    uninstall(PATCHES)


async def test_a_message_has_one_producer_and_one_consumer_span(
    embedded: str, instrumented: None, spans: Spans, seen: Seen
) -> None:
    shop = Kafka(KINDS[0], embedded, embedded=True)
    orders = shop.topic()
    broker = shop.broker(UnbrokenMiddleware)

    @broker.subscriber(**shop.reading(orders))
    async def handle(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        for _ in range(3):
            await broker.publish("1", orders)
        await seen.arrived(3)
    kinds = [span.kind for span in spans.finished]
    assert (kinds.count(SpanKind.PRODUCER), kinds.count(SpanKind.CONSUMER)) == (3, 3)
