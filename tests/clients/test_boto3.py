"""boto3: what goes to SQS and comes from it, through the events of one client; on ElasticMQ, and on nothing at all."""

import copy
import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.stub import Stubber
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.b3 import B3SingleFormat
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind, StatusCode

from tests.clients.sqs import Requests, attribute, attributes, entry, settle_spans
from tests.contract.conftest import Spans, context_of
from tests.messaging.telemetry import points
from unbroken import Policy, configure, process
from unbroken.clients.boto3 import instrument, uninstrument
from unbroken.clients.boto3.zero_code import ZERO_CODE
from unbroken.clients.patches import install
from unbroken.clients.patches import uninstall as uninstall_patches
from unbroken.clients.sqs.sizes import SIZE_LIMITS
from unbroken.messaging import tracing
from unbroken.messaging.message import known_types

SETTINGS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "config": Config(retries={"total_max_attempts": 1}),
}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def make(elasticmq: str) -> Iterator[Callable[[], Any]]:
    """A function that makes a client of boto3."""
    made = []

    def make() -> Any:
        made.append(boto3.client("sqs", endpoint_url=elasticmq, **SETTINGS))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def plain(make: Callable[[], Any]) -> Any:
    """A client as boto3 makes it."""
    return make()


@pytest.fixture
def sqs(make: Callable[[], Any]) -> Any:
    """A client that is instrumented."""
    return instrument(make())


@pytest.fixture
def url(plain: Any, topic: str) -> str:
    """A queue that no other test knows."""
    found: str = plain.create_queue(QueueName=topic)["QueueUrl"]
    return found


@pytest.fixture
def requests(sqs: Any, url: str) -> Requests:
    """What the instrumented client sends."""
    return Requests(sqs)


@pytest.fixture
def resource(elasticmq: str) -> Iterator[Any]:
    """A resource that is instrumented."""
    made: Any = instrument(boto3.resource("sqs", endpoint_url=elasticmq, **SETTINGS))
    yield made
    made.meta.client.close()


@pytest.fixture
def nowhere() -> Iterator[Any]:
    """An instrumented client whose server does not exist."""
    client = boto3.client("sqs", endpoint_url="http://127.0.0.1:1", **SETTINGS)
    yield instrument(client)
    client.close()


def poll(client: Any, url: str, **params: Any) -> list[Any]:
    found: list[Any] = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, **params)[
        "Messages"
    ]
    return found


# Sending


def test_a_message_carries_the_context_of_its_span(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="b")
    sent = context_of(spans.sent[0])
    value = f"00-{sent.trace_id:032x}-{sent.span_id:016x}-{sent.trace_flags:02x}"
    assert requests.one["MessageAttributes"] == {"traceparent": attribute(value)}


def test_a_send_span_tells_what_the_conventions_ask_for(
    sqs: Any, url: str, topic: str, elasticmq: str, spans: Spans
) -> None:
    answer = sqs.send_message(QueueUrl=url, MessageBody="b")
    (span,) = spans.sent
    assert span.name == f"send {topic}"
    assert attributes(span) == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": topic,
        "messaging.message.id": answer["MessageId"],
        "aws.sqs.queue.url": url,
        "server.address": "127.0.0.1",
        "server.port": int(elasticmq.rpartition(":")[2]),
    }


def test_the_id_of_the_request_is_on_the_spans(sqs: Any, url: str, spans: Spans) -> None:
    def answer(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ResponseMetadata"]["RequestId"] = "27daac76-34dd-47df"  # ElasticMQ tells none

    for operation in ("SendMessage", "ReceiveMessage", "DeleteMessage"):
        sqs.meta.events.register_first(f"after-call.sqs.{operation}", answer)
    sqs.send_message(QueueUrl=url, MessageBody="b")
    (message,) = poll(sqs, url)
    with process(message):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    found = {span.name.partition(" ")[0]: attributes(span).get("aws.request_id") for span in spans.ended}
    request = "27daac76-34dd-47df"
    assert found == {"send": request, "receive": request, "process": None, "delete": request}


def test_what_the_caller_gives_is_not_changed(sqs: Any, url: str, spans: Spans) -> None:
    given = {"tenant": attribute("a"), "traceparent": attribute(PARENT)}
    entries = [{"Id": "1", "MessageBody": "b", "MessageAttributes": given}, {"Id": "2", "MessageBody": "b"}]
    names, system = ["tenant"], ["SenderId"]
    before = copy.deepcopy((given, entries, names, system))
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=given)
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    poll(sqs, url, MessageAttributeNames=names, MessageSystemAttributeNames=system)
    assert (given, entries, names, system) == before


def test_binary_and_numeric_attributes_are_sent_as_they_are(
    sqs: Any, url: str, requests: Requests, spans: Spans
) -> None:
    given = {
        "octets": {"DataType": "Binary", "BinaryValue": b"\xff\x00\xfe"},
        "amount": {"DataType": "Number.int", "StringValue": "7"},
    }
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=given)
    sent = requests.one["MessageAttributes"]
    assert {name: sent[name] for name in given} == given
    (message,) = poll(sqs, url, MessageAttributeNames=["All"])
    assert message["MessageAttributes"]["octets"]["BinaryValue"] == b"\xff\x00\xfe"


def test_the_whole_context_goes_with_a_message(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    token = context.attach(baggage.set_baggage("city", "Zürich"))
    sqs.send_message(QueueUrl=url, MessageBody="b")
    context.detach(token)
    assert requests.one["MessageAttributes"]["baggage"] == attribute("city=Z%C3%BCrich")
    (message,) = poll(sqs, url)
    with process(message):
        assert baggage.get_baggage("city") == "Zürich"


@pytest.mark.parametrize("count", [9, 10])
def test_a_message_with_many_attributes_arrives(sqs: Any, url: str, spans: Spans, count: int) -> None:
    given = {f"name-{number}": attribute("x") for number in range(count)}
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=given)
    (message,) = poll(sqs, url, MessageAttributeNames=["All"])
    found = message["MessageAttributes"]
    assert {name: found[name] for name in given} == given
    assert ("traceparent" in found) is (count < 10)


def test_a_message_without_room_says_so(
    sqs: Any, url: str, spans: Spans, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_said", set())
    given = {f"name-{number}": attribute("x") for number in range(10)}
    with caplog.at_level(logging.WARNING, "unbroken"):
        sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=given)
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "b", "MessageAttributes": given}])
    assert [attributes(span)["unbroken.carrier.left_out"] for span in spans.sent] == [("traceparent",)] * 2
    assert [entry.getMessage() for entry in caplog.records] == [
        (
            "a message has reached the limit of 10 attributes of a message (SQS): "
            "it is sent without traceparent (logged once)"
        )
    ]


def test_each_limit_of_size_is_named_once(
    sqs: Any, url: str, spans: Spans, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_said", set())
    with caplog.at_level(logging.WARNING, "unbroken"), Stubber(sqs) as stub:
        for size in (*SIZE_LIMITS, SIZE_LIMITS[0] - 1):
            stub.add_response("send_message", {})
            sqs.send_message(QueueUrl=url, MessageBody="x" * size)
    assert [entry.getMessage().partition("limit of ")[2] for entry in caplog.records] == [
        f"{limit} octets of a message or batch (SQS): it is sent without traceparent (logged once)"
        for limit in SIZE_LIMITS
    ]


def test_each_entry_of_a_batch_has_its_own_context(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2"), entry("3")])
    carried = [sent["MessageAttributes"]["traceparent"]["StringValue"] for sent in requests.one["Entries"]]
    assert [int(value[36:52], 16) for value in carried] == [
        span_id for _, span_id in sorted((span.start_time or 0, context_of(span).span_id) for span in spans.sent)
    ]


def test_each_entry_of_a_batch_has_its_message_id(sqs: Any, url: str, spans: Spans) -> None:
    answer = sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2")])
    found = {attributes(span)["messaging.message.id"] for span in spans.sent}
    assert found == {taken["MessageId"] for taken in answer["Successful"]}


def test_an_entry_that_is_refused_marks_only_its_own_span(sqs: Any, url: str, spans: Spans) -> None:
    answer = sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2", DelaySeconds=900_000), entry("3")])
    (refused,) = answer["Failed"]
    found = [(attributes(span).get("error.type"), span.status.status_code) for span in spans.sent]
    assert found == [(None, StatusCode.UNSET), (refused["Code"], StatusCode.ERROR), (None, StatusCode.UNSET)]


def test_a_batch_that_is_refused_marks_every_span(sqs: Any, url: str, spans: Spans) -> None:
    with pytest.raises(ClientError) as caught:
        sqs.send_message_batch(QueueUrl=f"{url}-missing", Entries=[entry("1"), entry("2")])
    code = caught.value.response["Error"]["Code"]
    assert [attributes(span)["error.type"] for span in spans.sent] == [code, code]


def test_a_message_that_is_refused_names_the_error_of_the_service(sqs: Any, url: str, spans: Spans) -> None:
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=f"{url}-missing", MessageBody="b")
    assert attributes(spans.sent[0])["error.type"] == caught.value.response["Error"]["Code"]


def test_a_service_that_cannot_be_reached_marks_the_span(nowhere: Any, spans: Spans) -> None:
    with pytest.raises(EndpointConnectionError):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody="b")
    assert attributes(spans.sent[0])["error.type"] == "botocore.exceptions.EndpointConnectionError"


@pytest.mark.parametrize(
    "params",
    [
        {"MessageBody": 7},
        {"MessageBody": "b", "MessageAttributes": 7},
        {"MessageBody": "b", "MessageAttributes": [("a", "b")]},
        {"MessageBody": "b", "MessageAttributes": {"a": 7}},
        {"MessageBody": "b", "MessageAttributes": {7: attribute("x")}},
        {"QueueUrl": 7, "MessageBody": "b"},
        {"Nonsense": 7},
    ],
    ids=str,
)
def test_parameters_that_botocore_refuses_are_refused_in_its_words(
    nowhere: Any, spans: Spans, params: dict[str, Any]
) -> None:
    given = {"QueueUrl": "http://127.0.0.1:1/0/orders", **params}
    with pytest.raises(ParamValidationError) as ours:
        nowhere.send_message(**given)
    with pytest.raises(ParamValidationError) as theirs:
        uninstrument(nowhere).send_message(**given)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "entries", [7, [7], [{}], [{"Id": [], "MessageBody": "b"}], [entry("1"), entry("2", MessageAttributes=7)]], ids=str
)
def test_entries_that_botocore_refuses_are_refused_in_its_words(nowhere: Any, spans: Spans, entries: Any) -> None:
    given = {"QueueUrl": "http://127.0.0.1:1/0/orders", "Entries": entries}
    with pytest.raises(ParamValidationError) as ours:
        nowhere.send_message_batch(**given)
    with pytest.raises(ParamValidationError) as theirs:
        uninstrument(nowhere).send_message_batch(**given)
    assert str(ours.value) == str(theirs.value)


def test_parameters_that_botocore_refuses_mark_the_span_with_its_error(nowhere: Any, spans: Spans) -> None:
    with pytest.raises(ParamValidationError):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody=7)
    assert attributes(spans.sent[0])["error.type"] == "botocore.exceptions.ParamValidationError"


class Interrupt(BaseException):
    """What no event of botocore tells."""


def test_a_call_that_is_interrupted_ends_its_span(nowhere: Any, spans: Spans) -> None:
    def interrupt(**_: Any) -> None:
        raise Interrupt

    nowhere.meta.events.register("before-send.sqs", interrupt)
    with pytest.raises(Interrupt):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody="b")
    assert attributes(spans.sent[0])["error.type"].endswith("Interrupt")


@pytest.mark.parametrize("limit", SIZE_LIMITS)
@pytest.mark.parametrize("spare", [0, 50, 71, 72, 500])
def test_the_context_never_makes_a_message_too_large(nowhere: Any, spans: Spans, limit: int, spare: int) -> None:
    requests = Requests(nowhere)
    body = "ä" * ((limit - spare) // 2) + "x" * ((limit - spare) % 2)
    with pytest.raises(EndpointConnectionError):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody=body)
    sent = requests.one.get("MessageAttributes", {})
    size = len(body.encode()) + sum(len(n) + len("String") + len(a["StringValue"]) for n, a in sent.items())
    assert size <= limit
    assert bool(sent) is (spare >= len("traceparent") + len("String") + len(PARENT))


def test_a_message_that_is_left_without_context_for_its_size_says_so(nowhere: Any, spans: Spans) -> None:
    with pytest.raises(EndpointConnectionError):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody="x" * SIZE_LIMITS[0])
    assert attributes(spans.sent[0])["unbroken.carrier.left_out"] == ("traceparent",)


def test_the_contexts_of_a_batch_never_make_it_too_large(nowhere: Any, spans: Spans) -> None:
    requests = Requests(nowhere)
    body = "x" * (SIZE_LIMITS[0] // 2 - 50)
    with pytest.raises(EndpointConnectionError):
        nowhere.send_message_batch(
            QueueUrl="http://127.0.0.1:1/0/orders",
            Entries=[{"Id": "1", "MessageBody": body}, {"Id": "2", "MessageBody": body}],
        )
    assert [bool(sent.get("MessageAttributes")) for sent in requests.one["Entries"]] == [True, False]


def test_what_other_handlers_add_counts_for_the_limit(nowhere: Any, spans: Spans) -> None:
    def add(params: dict[str, Any], **_: Any) -> None:
        params["MessageAttributes"] = {f"name-{number}": attribute("x") for number in range(10)}

    requests = Requests(nowhere)
    nowhere.meta.events.register("before-parameter-build.sqs.SendMessage", add)
    with pytest.raises(EndpointConnectionError):
        nowhere.send_message(QueueUrl="http://127.0.0.1:1/0/orders", MessageBody="b")
    assert len(requests.one["MessageAttributes"]) == 10


def test_a_signed_url_is_no_call(nowhere: Any, spans: Spans) -> None:
    params = {"QueueUrl": "http://127.0.0.1:1/0/orders", "MessageBody": "b"}
    assert "traceparent" not in nowhere.generate_presigned_url("send_message", Params=params)
    assert params == {"QueueUrl": "http://127.0.0.1:1/0/orders", "MessageBody": "b"}
    assert spans.sent == []


def test_the_propagator_in_use_writes_the_attributes(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    before = get_global_textmap()
    set_global_textmap(B3SingleFormat())
    try:
        sqs.send_message(QueueUrl=url, MessageBody="b")
        (message,) = poll(sqs, url)
        with process(message) as span:
            assert span.get_span_context().trace_id == context_of(spans.sent[0]).trace_id
    finally:
        set_global_textmap(before)
    assert set(requests.bodies[0]["MessageAttributes"]) == {"b3"}


def test_suppressed_instrumentation_leaves_calls_alone(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    with suppress_instrumentation():
        sqs.send_message(QueueUrl=url, MessageBody="b")
        (message,) = poll(sqs, url)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert type(message) is dict
    assert "MessageAttributes" not in requests.bodies[0]
    assert "MessageAttributeNames" not in requests.bodies[1]
    assert spans.ended == []


def test_an_ignored_queue_is_left_alone(sqs: Any, url: str, requests: Requests, spans: Spans) -> None:
    before = configure(Policy(ignore=("contract-*",)))
    try:
        sqs.send_message(QueueUrl=url, MessageBody="b")
    finally:
        configure(before)
    assert "MessageAttributes" not in requests.one
    assert spans.ended == []


# Receiving


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


def test_a_message_is_counted_once_as_consumed(
    sqs: Any, url: str, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    sqs.send_message_batch(QueueUrl=url, Entries=[entry("1"), entry("2")])
    for message in poll(sqs, url):
        with process(message):
            pass
    consumed = sum(point.value for _, point in points(reader, "messaging.client.consumed.messages"))
    provider.shutdown()
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


# Settling


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
