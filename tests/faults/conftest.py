"""A cluster whose faults the test orders."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType

import pytest

pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")

from services import Unavailable
from tests.faults import mock_cluster
from tests.faults.mock_cluster import MockCluster


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    """A mock cluster of the test's own."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(mock_cluster.running())
        except Unavailable as error:
            pytest.skip(str(error))
        yield running


@pytest.fixture
def asyncio_clients() -> ModuleType:
    """The drop-in `AIOProducer` and `AIOConsumer`; an old confluent-kafka has none."""
    pytest.importorskip("confluent_kafka.aio")
    from unbroken.clients.confluent_kafka import aio as confluent_kafka_aio

    return confluent_kafka_aio
