"""With contrib's instrumentation of the same client installed too: one send span, one process span, one traceparent."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.instrumentation.conftest import Launch

pytestmark = pytest.mark.skipif(
    find_spec("opentelemetry.instrumentation") is None
    or find_spec("opentelemetry.instrumentation.confluent_kafka") is None,
    reason="contrib's instrumentations are not installed: they have an environment of their own",
)

RIVALS = [
    ("confluent_kafka", "ConfluentKafkaInstrumentor", "confluent_kafka:ConfluentKafkaInstrumentor"),
    ("aiokafka", "AIOKafkaInstrumentor", "aiokafka:AIOKafkaInstrumentor"),
    ("kafka_python", "KafkaPythonInstrumentor", "kafka:KafkaInstrumentor"),
    ("pika", "PikaInstrumentor", "pika:PikaInstrumentor"),
    ("aio_pika", "AioPikaInstrumentor", "aio_pika:AioPikaInstrumentor"),
    ("boto3", "Boto3Instrumentor", "boto3sqs:Boto3SQSInstrumentor"),
]
"""Our module and class, and theirs."""


@pytest.mark.parametrize(
    ("app", "messages"), [("confluent_subclass", 1), ("aiokafka_loop", 7), ("kafka_python_loop", 4)]
)
def test_a_message_has_one_send_span_and_no_span_of_theirs(
    launch: Launch, embedded: str, topic: str, app: str, messages: int
) -> None:
    run = launch(app, embedded, topic)
    assert len(run.of("PRODUCER")) == messages
    assert {span.scope for span in run.spans} == {"unbroken", "application"}


def test_a_message_has_one_traceparent(launch: Launch, embedded: str, topic: str) -> None:
    run = launch("confluent_subclass", embedded, topic)
    assert run.output[0] == "['kind', 'traceparent']"
    assert run.path("handle one") == ["handle one", f"process {topic}", f"send {topic}"]


def test_ours_switched_off_by_name_leaves_theirs_on(launch: Launch, embedded: str, topic: str) -> None:
    run = launch(
        "confluent_subclass", embedded, topic, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="unbroken_confluent_kafka"
    )
    assert "opentelemetry.instrumentation.confluent_kafka" in {span.scope for span in run.spans}


@pytest.mark.parametrize(("module", "name", "theirs"), RIVALS, ids=[rival[0] for rival in RIVALS])
@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_theirs_is_off_while_ours_is_on_and_on_again_after_it(module: str, name: str, theirs: str, order: str) -> None:
    package, _, kind = theirs.partition(":")
    program = f"""
from opentelemetry.instrumentation.{package} import {kind} as Theirs
theirs = Theirs()
if {order == "theirs first"}:
    theirs.instrument(skip_dep_check=True)
from unbroken.instrumentation.{module} import {name} as Ours
ours = Ours()
ours.instrument()
theirs.instrument(skip_dep_check=True)
assert ours.is_instrumented_by_opentelemetry
assert not theirs.is_instrumented_by_opentelemetry
ours.uninstrument()
assert theirs.is_instrumented_by_opentelemetry
theirs.instrument(skip_dep_check=True)
assert theirs.is_instrumented_by_opentelemetry
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
