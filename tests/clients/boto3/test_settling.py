"""boto3: deletions, and changes of visibility."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from tests.clients.boto3.clients import poll
from tests.clients.sqs import attributes, entry, settle_spans
from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, process


def one_processed(sqs: Any, url: str, spans: Spans) -> Any:
    """A message whose process span has ended."""
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = poll(sqs, url)
    with process(message):
        pass
    return message


def test_a_message_that_is_deleted_in_its_block_is_a_child_of_its_span(
    sqs: Any, url: str, topic: str, spans: Spans
) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = poll(sqs, url)
    with process(message):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    span = spans.named(f"delete {topic}")
    assert (span.kind, span.parent) == (SpanKind.CLIENT, context_of(spans.processed[0]))
    assert attributes(span)["aws.sqs.queue.url"] == url


def test_a_message_that_is_touched_and_then_deleted_is_tied_to_its_span_twice(
    sqs: Any, url: str, topic: str, spans: Spans
) -> None:
    message = one_processed(sqs, url, spans)
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    found = [(span.name, span.parent) for span in settle_spans(spans)]
    parent = context_of(spans.processed[0])
    assert found == [(f"change_visibility {topic}", parent), (f"delete {topic}", parent)]


def test_a_batch_that_is_deleted_is_one_span_linked_to_each(sqs: Any, url: str, topic: str, spans: Spans) -> None:
    sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2")])
    messages = poll(sqs, url)
    for message in messages:
        with process(message):
            pass
    handles = [{"Id": f"{number}", "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)]
    with trace.get_tracer("test").start_as_current_span("clean"):
        visible = [{**handle, "VisibilityTimeout": 60} for handle in handles]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=visible)
        sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    processed = [context_of(span) for span in spans.processed]
    for name in ("change_visibility", "delete"):
        span = spans.named(f"{name} {topic}")
        assert [link.context for link in span.links] == processed
        assert attributes(span)["messaging.batch.message_count"] == 2


def test_a_deletion_that_is_refused_marks_its_span(sqs: Any, url: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("clean"), pytest.raises(ClientError) as caught:
        sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense")
    (span,) = settle_spans(spans)
    assert attributes(span)["error.type"] == caught.value.response["Error"]["Code"]


def test_a_deletion_that_is_refused_in_a_batch_marks_its_span(sqs: Any, url: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("clean"):
        answer = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "1", "ReceiptHandle": "nonsense"}])
    (span,) = settle_spans(spans)
    assert attributes(span)["error.type"] == answer["Failed"][0]["Code"]


def test_a_deletion_that_cannot_reach_the_service_marks_its_span(nowhere: Any, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("clean"), pytest.raises(EndpointConnectionError):
        nowhere.delete_message(QueueUrl="http://127.0.0.1:1/0/orders", ReceiptHandle="handle")
    (span,) = settle_spans(spans)
    assert attributes(span)["error.type"] == "botocore.exceptions.EndpointConnectionError"


def test_the_policy_switches_settle_spans_off(sqs: Any, url: str, spans: Spans) -> None:
    before = configure(Policy(settle=False))
    try:
        message = one_processed(sqs, url, spans)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    finally:
        configure(before)
    assert settle_spans(spans) == []
