"""A connection, an instrumented channel, a queue."""

from collections.abc import Iterator
from typing import Any

import pika
import pytest

from tests.clients.pika.queues import declared
from unbroken.clients.pika import instrument


@pytest.fixture
def connection(rabbitmq: str) -> Iterator[pika.BlockingConnection]:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq))
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> Any:
    return instrument(connection.channel())


@pytest.fixture
def queue(channel: Any) -> str:
    return declared(channel)
