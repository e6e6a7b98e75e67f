"""boto3: clients, and resources."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ParamValidationError

from tests.contract.clients.driver import Client, Pairs, Reader
from unbroken.clients import boto3 as our_boto3
from unbroken.propagation.carriers import ATTRIBUTES

SETTINGS = {"region_name": "eu-west-1", "aws_access_key_id": "contract", "aws_secret_access_key": "contract"}
"""What ElasticMQ asks of a client."""
POLL: dict[str, Any] = {"MessageAttributeNames": ["All"], "WaitTimeSeconds": 1}
"""A poll for all that a message holds."""
BATCH = 10
"""Messages of a poll at most."""


def text(value: Any) -> Any:
    """The body of a message: text, where the tests of the contract have octets."""
    return value.decode() if isinstance(value, bytes) else value


class Sqs(Client):
    """A client of SQS: what a message is for all of them."""

    servers = ("elasticmq",)
    wire = "sqs"
    receiving = "receive"
    refuses = (ParamValidationError,)

    def value(self, message: Any) -> Any:
        return message["Body"].encode()

    def as_received(self, message: Any) -> Any:
        return message["MessageAttributes"]

    def pairs(self, message: Any) -> Pairs:
        pairs: Any = ATTRIBUTES.pairs(self.as_received(message))
        return list(pairs)

    def given(self, pairs: Sequence[tuple[str, bytes]]) -> Any:
        return {name: {"DataType": "String", "StringValue": text(value)} for name, value in pairs}

    def flush(self) -> None:
        """Nothing: a call returns when the service has answered."""

    def server(self) -> str:
        return urlsplit(self.address).netloc


class Boto3Reader(Reader):
    def __init__(self, consumer: Any, client: Any, url: str) -> None:
        self.consumer = consumer
        self.client = client
        self.url = url

    def some(self, limit: int) -> list[Any]:
        answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=min(limit, BATCH), **POLL)
        messages: list[Any] = answer.get("Messages", [])
        return messages


class Boto3(Sqs):
    name = "boto3"

    @functools.cached_property
    def plain_sqs(self) -> Any:
        sqs: Any = boto3.client("sqs", endpoint_url=self.address, **SETTINGS)
        self.closing.callback(sqs.close)
        return sqs

    @functools.cached_property
    def sqs(self) -> Any:
        sqs: Any = our_boto3.instrument(boto3.client("sqs", endpoint_url=self.address, **SETTINGS))
        self.closing.callback(sqs.close)
        return sqs

    @functools.cache  # noqa: B019 - as long as the session of tests
    def url(self, destination: str) -> str:
        """The queue, made where there is none."""
        url: str = self.plain_sqs.create_queue(QueueName=destination)["QueueUrl"]
        return url

    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        attributes = {} if headers is None else {"MessageAttributes": headers}
        self.sqs.send_message(QueueUrl=self.url(destination), MessageBody=text(value), **attributes)

    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        self.plain_sqs.send_message(
            QueueUrl=self.url(destination), MessageBody=text(value), MessageAttributes=headers or {}
        )

    @contextmanager
    def reader(self, destination: str, *, plain: bool = False) -> Iterator[Reader]:
        url = self.url(destination)
        yield Boto3Reader(url, self.plain_sqs, url) if plain else Boto3Reader(None, self.sqs, url)


class QueueReader(Reader):
    """The messages of a queue that is a resource."""

    def __init__(self, queue: Any) -> None:
        self.queue = self.consumer = queue

    def some(self, limit: int) -> list[Any]:
        messages: list[Any] = self.queue.receive_messages(MaxNumberOfMessages=min(limit, BATCH), **POLL)
        return messages


class Boto3Resource(Boto3):
    name = "boto3-resource"

    @functools.cached_property
    def plain_sqs(self) -> Any:
        return boto3.resource("sqs", endpoint_url=self.address, **SETTINGS)

    @functools.cached_property
    def sqs(self) -> Any:
        return our_boto3.instrument(boto3.resource("sqs", endpoint_url=self.address, **SETTINGS))

    def close(self) -> None:
        for name in {"sqs", "plain_sqs"}.intersection(vars(self)):
            getattr(self, name).meta.client.close()
        super().close()

    def queue(self, resource: Any, destination: str) -> Any:
        """The queue, made where there is none."""
        return resource.create_queue(QueueName=destination)

    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        attributes = {} if headers is None else {"MessageAttributes": headers}
        self.queue(self.sqs, destination).send_message(MessageBody=text(value), **attributes)

    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        queue = self.queue(self.plain_sqs, destination)
        queue.send_message(MessageBody=text(value), MessageAttributes=headers or {})

    @contextmanager
    def reader(self, destination: str, *, plain: bool = False) -> Iterator[Reader]:
        yield QueueReader(self.queue(self.plain_sqs if plain else self.sqs, destination))

    def value(self, message: Any) -> Any:
        return message.body.encode()

    def as_received(self, message: Any) -> Any:
        return message.message_attributes
