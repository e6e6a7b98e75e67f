"""RabbitMQ, SQS and a real Kafka under `opentelemetry-instrument`; contrib's instrumentations may be installed too."""

import pytest

from tests.instrumentation.conftest import Launch, needs
from tests.instrumentation.running import Run


def traced(run: Run, topic: str, handled: str, sent: str = "send") -> bool:
    """Whether a handler's span is below the process span, and that below the send span."""
    return run.path(f"handle {handled}") == [f"handle {handled}", f"process {topic}", f"{sent} {topic}"]


def only_ours(run: Run) -> bool:
    """Whether no other instrumentation of the broker's client has made a span."""
    return {span.scope for span in run.spans} == {"unbroken", "application"}


@pytest.mark.parametrize(
    "app",
    [
        "confluent_two_consumers",
        "confluent_subclass",
        pytest.param("confluent_asyncio", marks=needs("confluent_kafka.aio")),
    ],
)
def test_the_handlers_of_a_real_kafka_are_in_the_traces_of_their_producers(
    launch: Launch, real_kafka: str, topic: str, app: str
) -> None:
    run = launch(app, real_kafka, topic)
    handlers = [span for span in run.spans if span.name.startswith("handle ") and span.name[-1].isdigit()]
    sent = {span.trace for span in run.of("PRODUCER")}
    assert all(span.trace in sent for span in handlers)
    assert run.parent("after") is None
    assert only_ours(run)


@needs("pika")
def test_pika_is_traced(launch: Launch, rabbitmq: str, topic: str) -> None:
    run = launch("pika_loop", rabbitmq, topic)
    assert all(traced(run, topic, name, "publish") for name in ("callback", "loop", "get"))
    assert len(run.of("PRODUCER")) == len(run.of("CONSUMER")) == 3
    assert run.parent("after") is None
    assert only_ours(run)


@needs("aio_pika")
def test_aio_pika_is_traced(launch: Launch, rabbitmq: str, topic: str) -> None:
    run = launch("aio_pika_loop", rabbitmq, topic)
    assert all(traced(run, topic, name, "publish") for name in ("callback", "loop"))
    assert len(run.of("PRODUCER")) == 2
    assert run.parent("after") is None
    assert only_ours(run)


@pytest.mark.parametrize(
    "app",
    [pytest.param("boto3_loop", marks=needs("boto3")), pytest.param("aiobotocore_loop", marks=needs("aiobotocore"))],
)
def test_the_message_of_a_poll_for_one_is_current_until_the_next_poll(
    launch: Launch, elasticmq: str, topic: str, app: str
) -> None:
    run = launch(app, elasticmq, topic)
    assert traced(run, topic, "one")
    assert run.one(f"delete {topic}").parent == run.one(f"process {topic}").id
    assert run.parent("after") is None
    assert only_ours(run)


@needs("boto3")
def test_a_message_of_sqs_has_one_traceparent(launch: Launch, elasticmq: str, topic: str) -> None:
    run = launch("boto3_loop", elasticmq, topic)
    assert run.output == ["['kind', 'traceparent']"]
