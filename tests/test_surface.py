"""The public names: which there are, that no signature says `Any`, and what a missing client says."""

import inspect
import os
import subprocess
import sys
from typing import Any

import pytest

import unbroken
from unbroken import MissingClient, instrument
from unbroken.errors import required

PUBLIC = {
    *("inject", "extract", "attached", "bind", "BoundExecutor"),
    *("process", "receive", "send", "forward"),
    "instrument",
    *("Policy", "configure"),
    *("register", "MessageType", "Carrier", "PAIRS", "MAPPING", "ATTRIBUTES"),
    *("UnbrokenError", "InvalidHeader", "UnknownMessage", "UnknownCarrier", "WrongArgument"),
    *("OpenTwice", "InvalidVariable", "MissingClient"),
}


def test_the_public_names_are_these() -> None:
    assert set(unbroken.__all__) == PUBLIC


def test_the_old_paths_lead_to_the_same_objects() -> None:
    from unbroken import errors
    from unbroken.messaging.message import MessageType, register
    from unbroken.propagation.context import attached

    assert (register, MessageType, attached) == (unbroken.register, unbroken.MessageType, unbroken.attached)
    assert errors.UnknownMessage is unbroken.UnknownMessage


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_name_says_what_it_is(name: str) -> None:
    found = getattr(unbroken, name)
    assert inspect.getdoc(found)


def signatures(found: Any) -> list[str]:
    """The signature of a function, or of a class and its public methods."""
    members = [found] if not inspect.isclass(found) else [found, *vars(found).values()]
    public = [
        member
        for member in members
        if callable(member) and (member is found or not getattr(member, "__name__", "_").startswith("_"))
    ]
    return [str(inspect.signature(member)) for member in public]


@pytest.mark.parametrize("name", sorted(PUBLIC - {"PAIRS", "MAPPING", "ATTRIBUTES", "MissingClient", "UnbrokenError"}))
def test_no_public_signature_says_any(name: str) -> None:
    assert [text for text in signatures(getattr(unbroken, name)) if "Any" in text] == []


MODULES = {
    "unbroken.clients.boto3": ("botocore", "boto3"),
    "unbroken.clients.aiobotocore": ("aiobotocore", "aiobotocore"),
    "unbroken.clients.aiokafka": ("aiokafka", "aiokafka"),
    "unbroken.clients.kafka_python": ("kafka", "kafka-python"),
    "unbroken.clients.confluent_kafka": ("confluent_kafka", "confluent-kafka"),
    "unbroken.clients.confluent_kafka_aio": ("confluent_kafka", "confluent-kafka"),
    "unbroken.clients.pika": ("pika", "pika"),
    "unbroken.clients.aio_pika": ("aio_pika", "aio-pika"),
    "unbroken.frameworks.celery": ("celery", "celery"),
    "unbroken.frameworks.dramatiq": ("dramatiq", "dramatiq"),
    "unbroken.frameworks.faststream": ("faststream", "faststream"),
    "unbroken.frameworks.faust": ("faust", "faust"),
    "unbroken.frameworks.quixstreams": ("quixstreams", "quixstreams"),
    "unbroken.frameworks.taskiq": ("taskiq", "taskiq"),
    "unbroken.instrumentation.boto3": ("opentelemetry.instrumentation", "instrument"),
    "unbroken.testing": ("pytest", "testing"),
}


@pytest.mark.parametrize("module", MODULES)
def test_a_missing_client_names_the_extra_that_brings_it(module: str) -> None:
    package, extra = MODULES[module]
    program = f"import sys; sys.modules[{package!r}] = None; import {module}"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    found = subprocess.run([sys.executable, "-c", program], env=plain, stderr=subprocess.PIPE, text=True, check=False)
    last = found.stderr.splitlines()[-1]
    assert last.startswith("unbroken.errors.MissingClient: No module named ")
    assert f'pip install "unbroken[{extra}]"' in last


def test_a_missing_client_is_still_a_module_that_was_not_found() -> None:
    with pytest.raises(ModuleNotFoundError) as raised, required("boto3", "botocore"):
        raise ModuleNotFoundError("No module named 'botocore.client'", name="botocore.client")
    assert isinstance(raised.value, MissingClient)
    assert (raised.value.name, raised.value.extra) == ("botocore.client", "boto3")


@pytest.mark.parametrize("name", ["six", "botocorex", None])
def test_another_missing_module_passes_as_it_is(name: str | None) -> None:
    error = ModuleNotFoundError("No module named something", name=name)
    with pytest.raises(ModuleNotFoundError) as raised, required("boto3", "botocore"):
        raise error
    assert raised.value is error


def test_an_app_of_celery_is_instrumented_by_its_own_module() -> None:
    celery = pytest.importorskip("celery")
    from unbroken.frameworks.celery import uninstrument

    app = celery.Celery("shop", broker="memory://", set_as_current=False)
    plain = app.send_task
    assert instrument(app) is app
    assert app.send_task != plain
    uninstrument(app)
    assert app.send_task == plain


@pytest.mark.parametrize("make", ["client", "resource"])
def test_a_client_and_a_resource_of_boto3_are_instrumented(make: str) -> None:
    boto3 = pytest.importorskip("boto3")
    sqs = getattr(boto3, make)("sqs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert instrument(sqs) is sqs
    with pytest.raises(TypeError, match="SQS"):
        instrument(boto3.client("ec2", region_name="eu-west-1"))


def test_a_channel_of_pika_is_instrumented() -> None:
    pika = pytest.importorskip("pika")
    channel = pika.channel.Channel.__new__(pika.channel.Channel)
    plain = channel.basic_publish
    assert instrument(channel) is channel
    assert channel.basic_publish != plain


def test_a_broker_of_dramatiq_is_instrumented_once() -> None:
    stub = pytest.importorskip("dramatiq.brokers.stub")
    from unbroken.frameworks.dramatiq import UnbrokenMiddleware

    broker = stub.StubBroker()
    assert instrument(instrument(broker)) is broker
    assert sum(isinstance(one, UnbrokenMiddleware) for one in broker.middleware) == 1


def test_what_has_a_drop_in_class_names_it() -> None:
    client = pytest.importorskip("aiokafka")
    with pytest.raises(TypeError, match=r"from unbroken\.clients\.aiokafka import AIOKafkaConsumer"):
        instrument(client.AIOKafkaConsumer.__new__(client.AIOKafkaConsumer))
