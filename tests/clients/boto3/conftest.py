"""A client, a resource, a queue."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from tests.clients.boto3.clients import SETTINGS
from tests.clients.sqs import Requests
from unbroken.clients.boto3 import instrument


@pytest.fixture
def make(elasticmq: str) -> Iterator[Callable[[], Any]]:
    """A function that makes a client of boto3."""
    made = []

    def make() -> Any:
        made.append(boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def plain(make: Callable[[], Any]) -> Any:
    """A client as boto3 makes it."""
    return make()


@pytest.fixture
def sqs(make: Callable[[], Any]) -> Any:
    """A client that is instrumented."""
    return instrument(make())


@pytest.fixture
def url(plain: Any, topic: str) -> str:
    """A queue that no other test knows."""
    found: str = plain.create_queue(QueueName=topic)["QueueUrl"]
    return found


@pytest.fixture
def requests(sqs: Any, url: str) -> Requests:
    """What the instrumented client sends."""
    return Requests(sqs)


@pytest.fixture
def resource(elasticmq: str) -> Iterator[Any]:
    """A resource that is instrumented."""
    made: Any = instrument(boto3.resource("sqs", endpoint_url=elasticmq, **SETTINGS))
    yield made
    made.meta.client.close()


@pytest.fixture
def nowhere() -> Iterator[Any]:
    """An instrumented client whose server does not exist."""
    client = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", **SETTINGS)
    yield instrument(client)
    client.close()
