"""A cluster whose faults the test orders."""

from collections.abc import Iterator
from contextlib import ExitStack

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
