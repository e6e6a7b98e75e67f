"""Contrib's instrumentors come back with the hooks and the providers that they were given."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("opentelemetry.instrumentation") is None
    or find_spec("opentelemetry.instrumentation.confluent_kafka") is None,
    reason="contrib's instrumentations are not installed: they have an environment of their own",
)

FRAME = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

def provide():
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, provider

ours_exported, provider = provide()
trace.set_tracer_provider(provider)
theirs_exported, theirs_provider = provide()
server, name = sys.argv[1:3]
hooked = []

async def async_hook(*args, **named):
    hooked.append(args)

def hook(*args, **named):
    hooked.append(args)

def seen():
    found = [span.instrumentation_scope.name for span in ours_exported.get_finished_spans()]
    found += ["theirs: " + span.instrumentation_scope.name for span in theirs_exported.get_finished_spans()]
    ours_exported.clear()
    theirs_exported.clear()
    return sorted(set(found)), len(hooked)
"""

ORDERS = {
    "theirs first": "theirs.instrument(**GIVEN)\nours.instrument()\n",
    "ours first": "ours.instrument()\ntheirs.instrument(**GIVEN)\n",
}

CHECK = """
send()
scopes, hooks = seen()
assert (scopes, hooks) == (["unbroken"], 0), (scopes, hooks)
ours.uninstrument()
send()
scopes, hooks = seen()
(scope,) = scopes
assert scope.startswith("theirs: ") and type(theirs).__module__.startswith(scope[len("theirs: "):]), scopes
assert bool(hooks) is HAS_HOOK, hooks
theirs.uninstrument()
send()
assert seen()[0] == [], "it can be switched off as ever"
"""

CLIENTS = {
    "confluent_kafka": """
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor as Theirs
from unbroken.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor as Ours
import confluent_kafka
GIVEN, HAS_HOOK = dict(tracer_provider=theirs_provider), False

def send():
    producer = confluent_kafka.Producer({"bootstrap.servers": server})
    producer.produce(name, b"1")
    producer.flush()
""",
    "kafka_python": """
from opentelemetry.instrumentation.kafka import KafkaInstrumentor as Theirs
from unbroken.instrumentation.kafka_python import KafkaPythonInstrumentor as Ours
import kafka
GIVEN, HAS_HOOK = dict(tracer_provider=theirs_provider, produce_hook=hook), True

def send():
    producer = kafka.KafkaProducer(bootstrap_servers=server, api_version=(2, 0))
    producer.send(name, b"1").get(10)
    producer.close()
""",
    "aiokafka": """
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor as Theirs
from unbroken.instrumentation.aiokafka import AIOKafkaInstrumentor as Ours
import aiokafka
GIVEN, HAS_HOOK = dict(tracer_provider=theirs_provider, async_produce_hook=async_hook), True

def send():
    async def main():
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=server) as producer:
            await producer.send_and_wait(name, b"1")
    asyncio.run(main())
""",
    "pika": """
from opentelemetry.instrumentation.pika import PikaInstrumentor as Theirs
from unbroken.instrumentation.pika import PikaInstrumentor as Ours
import pika
GIVEN, HAS_HOOK = dict(tracer_provider=theirs_provider, publish_hook=hook), True

def send():
    with pika.BlockingConnection(pika.URLParameters(server)) as connection:
        connection.channel().basic_publish("", name, b"1")
""",
    "aio_pika": """
from opentelemetry.instrumentation.aio_pika import AioPikaInstrumentor as Theirs
from unbroken.instrumentation.aio_pika import AioPikaInstrumentor as Ours
import aio_pika
GIVEN, HAS_HOOK = dict(tracer_provider=theirs_provider), False

def send():
    async def main():
        async with await aio_pika.connect(server) as connection:
            channel = await connection.channel()
            await channel.default_exchange.publish(aio_pika.Message(b"1"), name)
    asyncio.run(main())
""",
}


def run(program: str, *args: str) -> None:
    """Run a program, which fails by itself."""
    answer = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("client", ["aiokafka", "confluent_kafka", "kafka_python"])
def test_a_kafka_client_has_its_hooks_and_its_provider_again(
    client: str, order: str, embedded: str, topic: str
) -> None:
    run(f"{FRAME}{CLIENTS[client]}theirs, ours = Theirs(), Ours()\n{ORDERS[order]}{CHECK}", embedded, topic)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("client", ["aio_pika", "pika"])
def test_a_rabbitmq_client_has_its_hooks_and_its_provider_again(
    client: str, order: str, rabbitmq: str, topic: str
) -> None:
    run(f"{FRAME}{CLIENTS[client]}theirs, ours = Theirs(), Ours()\n{ORDERS[order]}{CHECK}", rabbitmq, topic)


BOTO3 = """
from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from unbroken.instrumentation.boto3 import Boto3Instrumentor as Ours
import boto3
from botocore.stub import Stubber
settings = dict(endpoint_url=server, region_name="elasticmq", aws_access_key_id="x", aws_secret_access_key="x")
sqs_calls, ours = Boto3SQSInstrumentor(), Ours()
theirs = BotocoreInstrumentor()
GIVEN = dict(tracer_provider=theirs_provider, request_hook=hook)

def send():
    sqs = boto3.client("sqs", **settings)
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName=name)["QueueUrl"], MessageBody="1")

def other_service():
    sts = boto3.client("sts", **settings)
    with Stubber(sts) as stubber:
        stubber.add_response("get_caller_identity", {"Account": "1", "UserId": "1", "Arn": "arn:aws:iam::1:user/a"})
        sts.get_caller_identity()
"""

BOTO3_ORDERS = {
    "theirs first": (
        "theirs.instrument(**GIVEN)\nsqs_calls.instrument(tracer_provider=theirs_provider)\nours.instrument()\n"
    ),
    "ours first": (
        "ours.instrument()\ntheirs.instrument(**GIVEN)\nsqs_calls.instrument(tracer_provider=theirs_provider)\n"
    ),
}

BOTO3_CHECK = """
send()
scopes, hooks = seen()
assert (scopes, hooks) == (["unbroken"], 0), (scopes, hooks)
other_service()
scopes, hooks = seen()
assert scopes and all(scope.startswith("theirs: ") for scope in scopes) and hooks == 1, (scopes, hooks)
ours.uninstrument()
send()
scopes, hooks = seen()
assert any("boto3sqs" in scope for scope in scopes), scopes
assert all(scope.startswith("theirs: ") for scope in scopes) and hooks == 3, (scopes, hooks)
other_service()
scopes, hooks = seen()
assert scopes and hooks == 4, (scopes, hooks)
"""


@pytest.mark.parametrize("order", BOTO3_ORDERS)
def test_boto3_has_its_hooks_and_its_provider_again_and_keeps_them_for_other_services(
    order: str, elasticmq: str, topic: str
) -> None:
    run(f"{FRAME}{BOTO3}{BOTO3_ORDERS[order]}{BOTO3_CHECK}", elasticmq, topic)


def test_what_is_switched_off_while_it_is_aside_stays_off(embedded: str, topic: str) -> None:
    check = """
theirs.uninstrument()
ours.uninstrument()
send()
assert seen() == ([], 0)
"""
    run(
        f"{FRAME}{CLIENTS['kafka_python']}theirs, ours = Theirs(), Ours()\n{ORDERS['theirs first']}{check}",
        embedded,
        topic,
    )
