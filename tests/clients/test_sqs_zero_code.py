"""Clients of SQS that are made while the application is instrumented: whose message is current, and until when."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from aiobotocore.session import get_session
from botocore.stub import Stubber
from opentelemetry import trace

from tests.clients.instrumented import instrumented
from tests.contract.conftest import Spans, context_of
from unbroken import Policy, process
from unbroken.clients.aiobotocore import zero_code as asynchronous
from unbroken.clients.boto3 import zero_code as synchronous
from unbroken.clients.sqs import zero_code as sqs_zero_code
from unbroken.messaging import tracing
from unbroken.messaging.policy import configure

SETTINGS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}


@pytest.fixture
def sqs(elasticmq: str, spans: Spans) -> Iterator[Any]:
    """A client that was made while boto3 is instrumented, which it is until the end of the test."""
    with instrumented(synchronous.ZERO_CODE):
        client = boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS)
        yield client
        client.close()


@pytest.fixture
def url(sqs: Any, topic: str) -> str:
    """A queue that no other test knows."""
    found: str = sqs.create_queue(QueueName=topic)["QueueUrl"]
    return found


@pytest.fixture
def poll(sqs: Any, url: str) -> Callable[[], int]:
    """A function that sends a message, polls for one, and returns the trace that is current then."""

    def poll() -> int:
        sqs.send_message(QueueUrl=url, MessageBody="b")
        assert "Messages" in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)
        return current_trace()

    return poll


def current_trace() -> int:
    return trace.get_current_span().get_span_context().trace_id


def processed(spans: Spans, topic: str) -> int:
    """How many spans of messages have ended."""
    return [span.name for span in spans.ended].count(f"process {topic}")


def test_the_message_is_over_when_its_thread_polls_again(poll: Callable[[], int], spans: Spans, topic: str) -> None:
    assert poll() == context_of(spans.sent[0]).trace_id
    assert processed(spans, topic) == 0
    poll()
    assert processed(spans, topic) == 1


def test_threads_that_share_a_client_have_a_message_each(poll: Callable[[], int], spans: Spans, topic: str) -> None:
    both_have_polled = threading.Barrier(2)

    def work() -> tuple[int, int]:
        polled = poll()
        both_have_polled.wait()
        assert processed(spans, topic) == 0
        return polled, current_trace()

    with ThreadPoolExecutor(2) as pool:
        one, other = [result.result() for result in [pool.submit(work), pool.submit(work)]]
    assert one[0] == one[1] != other[0] == other[1]


def test_the_message_of_a_thread_is_over_when_the_thread_is(poll: Callable[[], int], spans: Spans, topic: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(poll).result()
    del thread
    assert processed(spans, topic) == 1


async def test_tasks_that_share_a_client_have_a_message_each(elasticmq: str, spans: Spans, topic: str) -> None:
    waiting, have_both = [2], asyncio.Event()

    async def work(client: Any, url: str) -> tuple[int, int]:
        await client.send_message(QueueUrl=url, MessageBody="b")
        assert "Messages" in await client.receive_message(QueueUrl=url, WaitTimeSeconds=5)
        before = current_trace()
        waiting[0] -= 1
        if not waiting[0]:
            have_both.set()
        await have_both.wait()
        assert processed(spans, topic) == 0
        return before, current_trace()

    with instrumented(asynchronous.ZERO_CODE):
        async with get_session().create_client("sqs", endpoint_url=elasticmq, **SETTINGS) as client:
            url = (await client.create_queue(QueueName=topic))["QueueUrl"]
            one, other = await asyncio.gather(work(client, url), work(client, url))
    assert one[0] == one[1] != other[0] == other[1]


def test_process_of_the_message_of_a_resource_is_the_same_scope(
    sqs: Any, elasticmq: str, url: str, spans: Spans, topic: str
) -> None:
    queue: Any = boto3.resource("sqs", endpoint_url=elasticmq, **SETTINGS).Queue(url)
    queue.send_message(MessageBody="b")
    (message,) = queue.receive_messages(WaitTimeSeconds=5)
    with process(message):
        message.delete()
    synchronous.ZERO_CODE.switch.stop()
    queue.meta.client.close()
    assert processed(spans, topic) == 1


def test_a_message_of_a_queue_that_is_ignored_is_not_current(
    sqs: Any, poll: Callable[[], int], spans: Spans, topic: str
) -> None:
    before = configure(Policy(ignore=(topic,)))
    try:
        assert poll() == 0
    finally:
        configure(before)
    synchronous.ZERO_CODE.switch.stop()
    assert spans.ended == []


def test_a_client_is_untraced_when_instrumentation_is_taken_away(sqs: Any, url: str, spans: Spans) -> None:
    synchronous.ZERO_CODE.switch.stop()
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"])["Messages"]
    assert (type(message), "MessageAttributes" in message, spans.ended) == (dict, False, [])


def test_a_client_is_traced_again_when_instrumentation_is_back(sqs: Any, url: str, spans: Spans) -> None:
    synchronous.ZERO_CODE.switch.stop()
    synchronous.ZERO_CODE.switch.start()
    sqs.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1


def test_an_error_of_ours_costs_no_call(
    elasticmq: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> bool:
        raise AttributeError("a version of botocore that nobody has seen")

    monkeypatch.setattr(tracing, "_logged", set())
    monkeypatch.setattr(sqs_zero_code, "is_sqs", broken)
    with instrumented(synchronous.ZERO_CODE):
        client: Any = boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS)
        assert client.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "nobody has seen" in caplog.text
    client.close()


# Clients that were made before.


def test_a_client_and_a_resource_that_were_made_before_are_traced(elasticmq: str, topic: str, spans: Spans) -> None:
    client: Any = boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS)
    resource: Any = boto3.resource("sqs", endpoint_url=elasticmq, **SETTINGS)
    url = client.create_queue(QueueName=topic)["QueueUrl"]
    queue = resource.Queue(url)
    client.send_message(QueueUrl=url, MessageBody="before")
    with instrumented(synchronous.ZERO_CODE):
        client.send_message(QueueUrl=url, MessageBody="b")
        queue.send_message(MessageBody="b")
        assert len(spans.sent) == 2
    client.send_message(QueueUrl=url, MessageBody="after")
    assert len(spans.sent) == 2
    client.close()
    resource.meta.client.close()


async def test_an_asynchronous_client_that_was_made_before_is_traced(elasticmq: str, topic: str, spans: Spans) -> None:
    async with get_session().create_client("sqs", endpoint_url=elasticmq, **SETTINGS) as client:
        url = (await client.create_queue(QueueName=topic))["QueueUrl"]
        with instrumented(asynchronous.ZERO_CODE):
            await client.send_message(QueueUrl=url, MessageBody="b")
    assert [span.name for span in spans.sent] == [f"send {topic}"]


def test_a_stub_of_botocore_sees_what_the_application_gives(spans: Spans) -> None:
    client: Any = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", **SETTINGS)
    with instrumented(synchronous.ZERO_CODE), Stubber(client) as stub:
        expected = {"QueueUrl": "http://127.0.0.1:1/1/orders", "MessageBody": "b"}
        stub.add_response("send_message", {"MessageId": "1"}, expected)
        assert client.send_message(**expected)["MessageId"] == "1"
        stub.assert_no_pending_responses()
    assert len(spans.sent) == 1
    client.close()
