"""Channels of traced and of plain connections, a queue."""

from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import aio_pika.exceptions
import pytest

from tests.clients.aio_pika.queues import declared
from unbroken.clients.aio_pika import connect, connect_robust


@pytest.fixture(params=[connect, connect_robust], ids=["plain", "robust"])
async def channel(request: pytest.FixtureRequest, rabbitmq: str) -> AsyncIterator[Any]:
    """A channel of each drop-in connection, that raises for returned messages."""
    connection = await request.param(rabbitmq)
    async with connection:
        yield await connection.channel(on_return_raises=True)


@pytest.fixture
async def untraced(rabbitmq: str) -> AsyncIterator[Any]:
    """A channel of the client's own."""
    async with await aio_pika.connect(rabbitmq) as connection:
        yield await connection.channel()


@pytest.fixture
async def queue(channel: Any) -> Any:
    return await declared(channel)
