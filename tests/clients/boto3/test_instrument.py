"""boto3: what `instrument` does to one client, or to a resource, and zero code to all."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber
from opentelemetry import trace

from tests.clients.boto3.clients import SETTINGS, poll
from tests.clients.sqs import Requests, attributes, entry, settle_spans
from tests.contract.conftest import Spans, context_of
from unbroken import process
from unbroken.clients.boto3 import instrument, uninstrument
from unbroken.clients.boto3.zero_code import ZERO_CODE
from unbroken.clients.patches import install
from unbroken.clients.patches import uninstall as uninstall_patches
from unbroken.messaging.message import known_types

# One client


def test_a_client_that_is_not_instrumented_is_as_boto3_makes_it(sqs: Any, plain: Any, url: str, spans: Spans) -> None:
    plain.send_message(QueueUrl=url, MessageBody="b")
    (message,) = poll(plain, url)
    assert (type(message), "MessageAttributes" in message) == (dict, False)
    assert spans.ended == []


def test_instrumenting_twice_sends_one_context(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    assert instrument(instrument(sqs)) is sqs
    sqs.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1
    assert list(requests.one["MessageAttributes"]) == ["traceparent"]


def test_uninstrumenting_leaves_the_client_as_it_was(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    before = set(vars(sqs)) - {"_make_api_call"}
    assert uninstrument(uninstrument(sqs)) is sqs
    sqs.send_message(QueueUrl=url, MessageBody="b")
    assert "MessageAttributes" not in requests.one
    assert spans.ended == []
    assert set(vars(sqs)) == before


def test_a_client_is_instrumented_again(sqs: Any, url: str, spans: Spans) -> None:
    instrument(uninstrument(sqs)).send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1


def test_a_method_that_was_looked_up_before_is_traced(make: Callable[[], Any], url: str, spans: Spans) -> None:
    client = make()
    send = client.send_message
    instrument(client)
    send(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1


@pytest.mark.parametrize("other", [None, "sqs", object(), boto3], ids=str)
def test_what_is_no_client_of_sqs_is_refused(other: Any) -> None:
    with pytest.raises(TypeError, match="a client or a resource of SQS"):
        instrument(other)


def test_a_client_of_another_service_is_refused() -> None:
    client = boto3.client("sns", **SETTINGS)
    with pytest.raises(TypeError, match="a client or a resource of SQS"):
        instrument(client)
    client.close()


def test_a_stub_of_botocore_sees_what_the_application_gives(nowhere: Any, spans: Spans) -> None:
    params = {"QueueUrl": "http://127.0.0.1:1/0/orders", "MessageBody": "b"}
    with Stubber(nowhere) as stub:
        stub.add_response("send_message", {"MessageId": "id"}, params)
        assert nowhere.send_message(**params)["MessageId"] == "id"
    assert attributes(spans.sent[0])["messaging.message.id"] == "id"


def test_a_call_that_a_test_replaces_on_the_class_is_replaced(
    nowhere: Any, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda self, operation, params: {"MessageId": operation})
    answer = nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody="b")
    assert answer == {"MessageId": "SendMessage"}


def test_one_client_is_used_by_many_threads(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    def send(number: int) -> tuple[int, str]:
        with trace.get_tracer("test").start_as_current_span(f"order {number}") as span:
            sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
            return number, f"{span.get_span_context().trace_id:032x}"

    with ThreadPoolExecutor(8) as pool:
        traces = dict(pool.map(send, range(100)))
    carried = {
        int(body["MessageBody"]): body["MessageAttributes"]["traceparent"]["StringValue"][3:35]
        for body in requests.bodies
    }
    assert carried == traces


def test_the_answers_of_many_threads_end_their_own_spans(sqs: Any, url: str, spans: Spans) -> None:
    def send(number: int) -> tuple[int, str]:
        with trace.get_tracer("test").start_as_current_span(f"order {number}") as span:
            answer = sqs.send_message(QueueUrl=url, MessageBody=f"{number}")
            return span.get_span_context().trace_id, answer["MessageId"]

    with ThreadPoolExecutor(8) as pool:
        answers = dict(pool.map(send, range(100)))
    assert {context_of(span).trace_id: attributes(span)["messaging.message.id"] for span in spans.sent} == answers


# Resources


def test_a_resource_sends_and_receives_in_one_trace(resource: Any, topic: str, spans: Spans) -> None:
    queue = resource.create_queue(QueueName=topic)
    queue.send_message(MessageBody="b")
    (message,) = queue.receive_messages(WaitTimeSeconds=1)
    with process(message) as span:
        assert span.get_span_context().trace_id == context_of(spans.sent[0]).trace_id
        message.delete()
    assert [span.name for span in spans.ended] == [
        f"{name} {topic}" for name in ("send", "receive", "delete", "process")
    ]


def test_a_batch_of_a_resource_sends_each_its_own_context(resource: Any, topic: str, spans: Spans) -> None:
    queue = resource.create_queue(QueueName=topic)
    queue.send_messages(Entries=[entry("1"), entry("2")])
    messages = queue.receive_messages(MaxNumberOfMessages=10, WaitTimeSeconds=1)
    carried = {message.message_attributes["traceparent"]["StringValue"] for message in messages}
    assert len(carried) == 2


def test_a_message_resource_is_touched_and_deleted_below_its_span(resource: Any, topic: str, spans: Spans) -> None:
    queue = resource.create_queue(QueueName=topic)
    queue.send_message(MessageBody="b")
    (message,) = queue.receive_messages(WaitTimeSeconds=1)
    with process(message):
        message.change_visibility(VisibilityTimeout=60)
    queue.delete_messages(Entries=[{"Id": "1", "ReceiptHandle": message.receipt_handle}])
    assert [span.parent for span in settle_spans(spans)] == [context_of(spans.processed[0])] * 2


def test_a_message_resource_knows_its_queue_without_an_instrumented_client(
    elasticmq: str, sqs: Any, url: str, topic: str, spans: Spans
) -> None:
    plain: Any = boto3.resource("sqs", endpoint_url=elasticmq, **SETTINGS)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = plain.Queue(url).receive_messages(MessageAttributeNames=["traceparent"], WaitTimeSeconds=1)
    with process(message) as span:
        assert span.get_span_context().trace_id == context_of(spans.sent[0]).trace_id
    assert attributes(spans.named(f"process {topic}"))["aws.sqs.queue.url"] == url
    plain.meta.client.close()


def test_a_message_resource_made_by_hand_is_processed(resource: Any, url: str, topic: str, spans: Spans) -> None:
    with process(resource.Message(url, "handle")):
        pass
    assert spans.named(f"process {topic}").parent is None


def test_another_resource_is_no_message(resource: Any, url: str) -> None:
    with pytest.raises(TypeError, match="not a message of a client"):
        process(resource.Queue(url))


def test_the_classes_of_message_resources_are_not_remembered(resource: Any, topic: str, spans: Spans) -> None:
    queue = resource.create_queue(QueueName=topic)
    queue.send_message(MessageBody="b")
    (message,) = queue.receive_messages(WaitTimeSeconds=1)
    before = len(known_types)
    with process(message):
        pass
    assert len(known_types) == before
    assert type(message) not in known_types


# Every client made from then on


def test_the_patches_instrument_every_client_that_is_made(elasticmq: str, url: str, spans: Spans) -> None:
    install(ZERO_CODE.patches())
    install(ZERO_CODE.patches())
    ZERO_CODE.switch.start()
    try:
        client = boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS)
        other: Any = boto3.client("sns", **SETTINGS)
        client.send_message(QueueUrl=url, MessageBody="b")
    finally:
        ZERO_CODE.switch.stop()
        uninstall_patches(ZERO_CODE.patches())
    assert len(spans.sent) == 1
    later = boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS)
    later.send_message(QueueUrl=url, MessageBody="b")
    assert len(spans.sent) == 1
    for one in (client, other, later):
        one.close()
