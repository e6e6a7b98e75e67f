"""`instrument`: one verb for a channel, a connection, a client, an app; the client's own module does it."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from unbroken import mistakes
from unbroken.errors import WrongArgument

T = TypeVar("T")

_MODULES = {
    "celery": "unbroken.frameworks.celery",
    "dramatiq": "unbroken.frameworks.dramatiq",
    "faststream": "unbroken.frameworks.faststream",
    "taskiq": "unbroken.frameworks.taskiq",
    "aio_pika": "unbroken.clients.aio_pika",
    "pika": "unbroken.clients.pika",
    "aiobotocore": "unbroken.clients.aiobotocore",  # before botocore, whose classes its own are subclasses of
    "botocore": "unbroken.clients.boto3",
    "boto3": "unbroken.clients.boto3",
}
"""The module that instruments the objects of a package."""

_OTHERWISE = {
    "confluent_kafka": "write from unbroken.clients.confluent_kafka import Consumer, Producer",
    "cimpl": "write from unbroken.clients.confluent_kafka import Consumer, Producer",
    "aiokafka": "write from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer",
    "kafka": "write from unbroken.clients.kafka_python import KafkaConsumer, KafkaProducer",
    "faust": "write from unbroken.frameworks.faust import App",
    "quixstreams": "write from unbroken.frameworks.quixstreams import Application",
}
"""What is written for the objects of the other packages."""

_WANTED = "a channel, a connection, a client of SQS, a broker or an app"


def instrument(client: T) -> T:
    """Trace the messages of one object: what it sends, receives and settles; return the object itself.

        channel = instrument(connection.channel())
        sqs = instrument(boto3.client("sqs"))
        instrument(app)

    Twice is once. `uninstrument`, where there is one, is in the module of the client. The clients of Kafka have drop-in
    classes instead.

    Args:
        client: a channel or a connection of pika or aio-pika, a client or a resource of boto3 or aiobotocore, an app of
            Celery, a broker of FastStream, taskiq or dramatiq.

    Raises:
        WrongArgument: anything else; the error says what to write for it.
    """
    kind = type(client)
    # What only says that it is of a class, a proxy, is seen too.
    packages = {known.__module__.partition(".")[0] for known in (*client.__class__.__mro__, *kind.__mro__)}
    for package, module in _MODULES.items():
        if package in packages:
            of_client: Any = importlib.import_module(module)
            traced: T | None = of_client.instrument(client)
            return client if traced is None else traced
    found = [instead for package, instead in _OTHERWISE.items() if package in packages]
    raise WrongArgument("instrument()", _WANTED, client, found[0] if found else _about(client))


def _about(client: object) -> str:
    if mistakes.is_awaitable(client):
        return "write instrument(await ...)"
    if isinstance(client, type):
        return "make the object first, and give it"
    return "to trace an application without a change in its code start it with opentelemetry-instrument"
