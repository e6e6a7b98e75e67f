"""`instrument`: one verb for a channel, a connection, a client, an app; the client's own module does it."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

from unbroken import mistakes
from unbroken.errors import WrongArgument

T = TypeVar("T")

_MODULES = {
    "celery": "unbroken.frameworks.celery",
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
    "dramatiq": "write broker.add_middleware(UnbrokenMiddleware()), from unbroken.frameworks.dramatiq",
    "faststream": "write KafkaBroker(..., middlewares=[UnbrokenMiddleware]), from unbroken.frameworks.faststream",
    "faust": "write from unbroken.frameworks.faust import App",
    "quixstreams": "write from unbroken.frameworks.quixstreams import Application",
    "taskiq": "write broker.add_middleware(UnbrokenMiddleware()), from unbroken.frameworks.taskiq",
}
"""What is written for the objects of the other packages."""

_WANTED = "a channel or connection of pika or aio-pika, a client or resource of boto3 or aiobotocore, or a Celery app"


def instrument(client: T) -> T:
    """Trace the messages of one object: what it sends, receives and settles; return the object itself.

        channel = instrument(connection.channel())
        sqs = instrument(boto3.client("sqs"))
        instrument(app)

    Twice is once. The clients of Kafka have drop-in classes instead, FastStream, taskiq and dramatiq a middleware.

    Args:
        client: a channel or a connection of pika or aio-pika, a client or a resource of boto3 or aiobotocore, an app of
            Celery.

    Raises:
        WrongArgument: anything else; the error says what to write for it.
    """
    traced: T | None = _module_of("instrument", client).instrument(client)
    return client if traced is None else traced


def uninstrument(client: T) -> T:
    """Undo `instrument` and return the object; nothing where it was not instrumented.

    Raises:
        WrongArgument: what `instrument` does not take.
    """
    plain: T | None = _module_of("uninstrument", client).uninstrument(client)
    return client if plain is None else plain


def _module_of(call: str, client: object) -> Any:
    packages = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    for package, module in _MODULES.items():
        if package in packages:
            return importlib.import_module(module)
    found = [instead for package, instead in _OTHERWISE.items() if package in packages]
    raise WrongArgument(f"{call}()", _WANTED, client, found[0] if found else _about(client))


def _about(client: object) -> str:
    if mistakes.is_awaitable(client):
        return "write instrument(await ...)"
    if isinstance(client, type):
        return "make the object first, and give it"
    return "to trace an application without a change in its code start it with opentelemetry-instrument"
