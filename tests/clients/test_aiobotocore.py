"""aiobotocore: the calls of one client through its events, in tasks; on ElasticMQ, and on nothing at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from opentelemetry import trace

from tests.clients.instrumented import instrumented
from tests.clients.sqs import Requests, attributes, entry, settle_spans
from tests.contract.conftest import Spans, context_of
from unbroken import process
from unbroken.clients.aiobotocore import instrument, uninstrument
from unbroken.clients.aiobotocore.zero_code import ZERO_CODE

SETTINGS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": AioConfig(retries={"total_max_attempts": 1}),
}
NOWHERE = "http://127.0.0.1:1"
ORDERS = f"{NOWHERE}/0/orders"


@asynccontextmanager
async def made(endpoint: str) -> AsyncIterator[Any]:
    """A block with a client as aiobotocore makes it."""
    async with get_session().create_client("sqs", endpoint_url=endpoint, **SETTINGS) as client:
        yield client


@asynccontextmanager
async def queue(endpoint: str, name: str) -> AsyncIterator[tuple[Any, str]]:
    """A block with an instrumented client and a queue that no other test knows."""
    async with made(endpoint) as client:
        url = (await client.create_queue(QueueName=name))["QueueUrl"]
        yield instrument(client), url


async def poll(sqs: Any, url: str) -> list[Any]:
    answer = await sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    found: list[Any] = answer["Messages"]
    return found


async def test_a_message_is_sent_received_processed_and_deleted_in_one_trace(
    elasticmq: str, topic: str, spans: Spans
) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        await sqs.send_message(QueueUrl=url, MessageBody="b")
        (message,) = await poll(sqs, url)
        with process(message) as span:
            assert span.get_span_context().trace_id == context_of(spans.sent[0]).trace_id
            await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [span.name for span in spans.ended] == [
        f"{name} {topic}" for name in ("send", "receive", "delete", "process")
    ]
    assert spans.named(f"delete {topic}").parent == context_of(spans.processed[0])


async def test_each_entry_of_a_batch_has_its_own_context(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        requests = Requests(sqs)
        entries = [entry("1"), entry("2", DelaySeconds=900_000)]
        answer = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
    carried = [
        int(one["MessageAttributes"]["traceparent"]["StringValue"][36:52], 16) for one in requests.one["Entries"]
    ]
    assert carried == [context_of(span).span_id for span in spans.sent]
    assert [attributes(span).get("error.type") for span in spans.sent] == [None, answer["Failed"][0]["Code"]]
    assert entries == [entry("1"), entry("2", DelaySeconds=900_000)]


async def test_a_batch_is_deleted_below_the_span_around_it(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        await sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2")])
        messages = await poll(sqs, url)
        for message in messages:
            with process(message):
                pass
        handles = [{"Id": f"{number}", "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)]
        with trace.get_tracer("test").start_as_current_span("clean"):
            await sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    (span,) = settle_spans(spans)
    assert [link.context for link in span.links] == [context_of(one) for one in spans.processed]


async def test_messages_sent_at_once_in_tasks_keep_their_traces(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        requests = Requests(sqs)

        async def send(number: int) -> tuple[str, str]:
            with trace.get_tracer("test").start_as_current_span(f"order {number}") as span:
                await sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
                return f"{number}", f"{span.get_span_context().trace_id:032x}"

        traces = dict(await asyncio.gather(*map(send, range(50))))
    carried = {
        body["MessageBody"]: body["MessageAttributes"]["traceparent"]["StringValue"][3:35] for body in requests.bodies
    }
    assert carried == traces


async def test_a_message_that_is_refused_names_the_error_of_the_service(
    elasticmq: str, topic: str, spans: Spans
) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        with pytest.raises(ClientError) as caught:
            await sqs.send_message(QueueUrl=f"{url}-missing", MessageBody="b")
    assert attributes(spans.sent[0])["error.type"] == caught.value.response["Error"]["Code"]


async def test_a_service_that_cannot_be_reached_marks_the_span(spans: Spans) -> None:
    async with made(NOWHERE) as client:
        with pytest.raises(EndpointConnectionError):
            await instrument(client).send_message(QueueUrl=ORDERS, MessageBody="b")
    assert attributes(spans.sent[0])["error.type"] == "botocore.exceptions.EndpointConnectionError"


async def test_parameters_that_botocore_refuses_mark_the_span(spans: Spans) -> None:
    async with made(NOWHERE) as client:
        with pytest.raises(ParamValidationError):
            await instrument(client).send_message(QueueUrl=ORDERS, MessageBody=7)
    assert attributes(spans.sent[0])["error.type"] == "botocore.exceptions.ParamValidationError"


async def test_a_send_that_is_cancelled_ends_its_span(spans: Spans) -> None:
    async with made(NOWHERE) as client:
        reached = asyncio.Event()

        async def hang(**_: Any) -> None:
            reached.set()
            await asyncio.Event().wait()

        client.meta.events.register("before-send.sqs", hang)
        task = asyncio.create_task(instrument(client).send_message(QueueUrl=ORDERS, MessageBody="b"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert attributes(spans.sent[0])["error.type"] == "asyncio.exceptions.CancelledError"


async def test_a_poll_that_is_cancelled_is_no_span(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        reached = asyncio.Event()
        sqs.meta.events.register("before-send.sqs", lambda **_: reached.set())
        task = asyncio.create_task(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert spans.ended == []


async def test_instrumenting_twice_sends_one_context(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        assert instrument(sqs) is sqs
        await sqs.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1


async def test_uninstrumenting_leaves_the_client_as_it_was(elasticmq: str, topic: str, spans: Spans) -> None:
    async with queue(elasticmq, topic) as (sqs, url):
        assert uninstrument(uninstrument(sqs)) is sqs
        await sqs.send_message(QueueUrl=url, MessageBody="b")
        assert [type(message) for message in await poll(sqs, url)] == [dict]
    assert spans.ended == []
    assert "_make_api_call" not in vars(sqs)


async def test_what_is_no_client_of_sqs_is_refused() -> None:
    async with get_session().create_client("sns", **SETTINGS) as client:
        with pytest.raises(TypeError, match="of SQS"):
            instrument(client)


async def test_the_patches_instrument_every_client_that_is_made(elasticmq: str, topic: str, spans: Spans) -> None:
    with instrumented(ZERO_CODE):
        async with made(elasticmq) as client:
            url = (await client.create_queue(QueueName=topic))["QueueUrl"]
            await client.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1
    async with made(elasticmq) as client:
        await client.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1
