"""aiobotocore."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiobotocore.session import get_session

from tests.contract.clients.boto3 import BATCH, POLL, SETTINGS, Sqs, text
from tests.contract.clients.driver import OnLoop, Reader
from unbroken.clients import aiobotocore as our_aiobotocore


class AiobotocoreReader(Reader):
    def __init__(self, client: OnLoop, consumer: Any, sqs: Any, url: str) -> None:
        self.client = client
        self.consumer = consumer
        self.sqs = sqs
        self.url = url

    def some(self, limit: int) -> list[Any]:
        poll = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=min(limit, BATCH), **POLL)
        messages: list[Any] = self.client.run(poll).get("Messages", [])
        return messages


class Aiobotocore(OnLoop, Sqs):
    name = "aiobotocore"

    @functools.cached_property
    def sqs(self) -> Any:
        return our_aiobotocore.instrument(self.plain())

    @functools.cached_property
    def plain_sqs(self) -> Any:
        return self.plain()

    def plain(self) -> Any:
        """A client of the library's own."""
        made = get_session().create_client("sqs", endpoint_url=self.address, **SETTINGS)
        sqs = self.run(made.__aenter__())
        self.closing.callback(lambda: self.run(made.__aexit__(None, None, None)))
        return sqs

    @functools.cache  # noqa: B019 - as long as the session of tests
    def url(self, destination: str) -> str:
        """The queue, made where there is none."""
        url: str = self.run(self.plain_sqs.create_queue(QueueName=destination))["QueueUrl"]
        return url

    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        attributes = {} if headers is None else {"MessageAttributes": headers}
        self.run(self.sqs.send_message(QueueUrl=self.url(destination), MessageBody=text(value), **attributes))

    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        url = self.url(destination)
        self.run(self.plain_sqs.send_message(QueueUrl=url, MessageBody=text(value), MessageAttributes=headers or {}))

    @contextmanager
    def reader(self, destination: str, *, plain: bool = False) -> Iterator[Reader]:
        url = self.url(destination)
        yield AiobotocoreReader(self, url if plain else None, self.plain_sqs if plain else self.sqs, url)
