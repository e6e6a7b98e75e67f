"""boto3: polls, and the messages that they bring."""

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind

from tests.clients.boto3.clients import XRAY, poll
from tests.clients.sqs import Requests, attribute, attributes, entry
from tests.contract.conftest import Spans, context_of
from tests.messaging.telemetry import points
from unbroken import process


def test_a_poll_asks_for_the_attributes_that_hold_a_context(
    sqs: Any, url: str, requests: Requests, spans: Spans
) -> None:
    sqs.receive_message(QueueUrl=url, MessageAttributeNames=["tenant"], MessageSystemAttributeNames=["SenderId"])
    assert requests.one["MessageAttributeNames"] == [
        "tenant",
        "traceparent",
        "tracestate",
        "baggage",
        "ce_traceparent",
        "ce_tracestate",
        "unbroken-origin",
        "unbroken-source",
        "unbroken-attempt",
        "unbroken-error",
    ]
    assert requests.one["MessageSystemAttributeNames"] == [
        "SenderId",
        "AWSTraceHeader",
        "ApproximateReceiveCount",
        "SentTimestamp",
    ]


@pytest.mark.parametrize("everything", ["All", ".*"])
def test_a_poll_that_asks_for_everything_is_asked_as_it_is(
    sqs: Any, url: str, requests: Requests, spans: Spans, everything: str
) -> None:
    sqs.receive_message(QueueUrl=url, MessageAttributeNames=[everything], AttributeNames=["All"])
    assert requests.one["MessageAttributeNames"] == [everything]
    assert requests.one["AttributeNames"] == ["All"]
    assert "MessageSystemAttributeNames" not in requests.one


def test_the_older_name_of_the_system_attributes_is_used_with_those_who_use_it(
    sqs: Any, url: str, requests: Requests, spans: Spans
) -> None:
    sqs.receive_message(QueueUrl=url, AttributeNames=["SenderId"])
    assert requests.one["AttributeNames"] == ["SenderId", "AWSTraceHeader", "ApproximateReceiveCount", "SentTimestamp"]
    assert "MessageSystemAttributeNames" not in requests.one


def test_a_poll_that_brings_messages_is_one_span_linked_to_each(sqs: Any, url: str, topic: str, spans: Spans) -> None:
    sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2"), entry("3")])
    messages = poll(sqs, url)
    span = spans.named(f"receive {topic}")
    assert span.kind is SpanKind.CLIENT
    assert attributes(span)["messaging.batch.message_count"] == len(messages) == 3
    assert {link.context.span_id for link in span.links} == {context_of(sent).span_id for sent in spans.sent}
    assert {(link.attributes or {})["messaging.message.id"] for link in span.links} == {
        message["MessageId"] for message in messages
    }


def test_a_poll_is_timed_from_its_beginning(sqs: Any, url: str, topic: str, plain: Any, spans: Spans) -> None:
    threading.Timer(0.3, lambda: plain.send_message(QueueUrl=url, MessageBody="b")).start()
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    span = spans.named(f"receive {topic}")
    assert messages
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time >= 200_000_000


def test_a_poll_that_brings_nothing_is_no_span(sqs: Any, url: str, spans: Spans) -> None:
    assert not sqs.receive_message(QueueUrl=url).get("Messages")
    assert spans.ended == []


def test_a_poll_that_is_refused_is_no_span(sqs: Any, url: str, spans: Spans) -> None:
    with pytest.raises(ClientError):
        sqs.receive_message(QueueUrl=f"{url}-missing")
    assert spans.ended == []


def test_a_message_of_the_client_needs_no_queue(sqs: Any, url: str, topic: str, spans: Spans) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = poll(sqs, url)
    with process(message):
        pass
    found = attributes(spans.named(f"process {topic}"))
    assert (found["aws.sqs.queue.url"], found["unbroken.message.receive_count"]) == (url, 1)


def test_a_message_is_counted_once_as_consumed(sqs: Any, url: str, spans: Spans, reader: InMemoryMetricReader) -> None:
    sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2")])
    for message in poll(sqs, url):
        with process(message):
            pass
    consumed = sum(point.value for _, point in points(reader, "messaging.client.consumed.messages"))
    assert consumed == 2


def test_a_message_that_is_received_again_says_how_often(sqs: Any, url: str, topic: str, spans: Spans) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="b")
    for _ in range(2):
        (message,) = poll(sqs, url, VisibilityTimeout=0)
        with process(message):
            pass
    assert [attributes(span)["unbroken.message.receive_count"] for span in spans.processed] == [1, 2]


def test_a_message_that_sqs_moves_to_a_dead_letter_queue_keeps_its_trace(
    sqs: Any, plain: Any, topic: str, spans: Spans
) -> None:
    dead = plain.create_queue(QueueName=f"{topic}-dead")["QueueUrl"]
    arn = plain.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = plain.create_queue(QueueName=topic, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=url, MessageBody="b")
    for _ in range(2):
        poll(sqs, url)
    assert not sqs.receive_message(QueueUrl=url).get("Messages")
    (message,) = poll(sqs, dead)
    with process(message) as span:
        assert span.get_span_context().trace_id == context_of(spans.sent[0]).trace_id
    assert attributes(spans.named(f"process {topic}-dead"))["unbroken.message.receive_count"] >= 3


def test_the_segment_of_x_ray_is_asked_for_and_is_the_parent(sqs: Any, plain: Any, url: str, spans: Spans) -> None:
    plain.send_message(QueueUrl=url, MessageBody="b", MessageSystemAttributes={"AWSTraceHeader": attribute(XRAY)})
    (message,) = poll(sqs, url)
    with process(message) as span:
        assert span.get_span_context().trace_id == 0x5759E988BD862E3FE1BE46A994272793
