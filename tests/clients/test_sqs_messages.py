"""Messages of SQS, whoever received them: Lambda records, SNS envelopes, X-Ray, and garbage in place of each."""

import base64
import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import SpanContext, SpanKind

from tests.contract.conftest import Spans
from unbroken import Policy, configure, extract, forward, inject, process, receive
from unbroken.clients.sqs.messages import Received
from unbroken.clients.sqs.queues import queue_at, server_at
from unbroken.clients.sqs.sidecars import MAX_ENVELOPE, sns_attributes
from unbroken.errors import InvalidHeader, UnknownMessage
from unbroken.messaging.message import known_types, type_of
from unbroken.propagation.xray import MAX_LENGTH, parse_trace_header

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID, PARENT_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
OTHER = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
XRAY_TRACE_ID, XRAY_PARENT_ID = 0x5759E988BD862E3FE1BE46A994272793, 0x53995C3F42CD8AD8
URL = "https://sqs.us-east-2.amazonaws.com/123456789012/my-queue"


def attribute(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def message(traceparent: str | None = TRACEPARENT, body: Any = "Hello", **system: Any) -> dict[str, Any]:
    """A message as `receive_message` gives it."""
    found: dict[str, Any] = {
        "MessageId": "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5",
        "ReceiptHandle": "AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw...",
        "MD5OfBody": "8b1a9953c4611296a827abf8c47804d7",
        "Body": body,
        "Attributes": {"SentTimestamp": "1573251510774", "ApproximateReceiveCount": "3", **system},
    }
    if traceparent is not None:
        found["MessageAttributes"] = {"traceparent": attribute(traceparent)}
    return found


def record(attributes: dict[str, Any] | None = None, body: str = "Test message.", **system: str) -> dict[str, Any]:
    """A record of a Lambda event, as https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html shows it."""
    return {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
            **system,
        },
        "messageAttributes": attributes or {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue",
        "awsRegion": "us-east-2",
    }


def lambda_attribute(value: str, kind: str = "String") -> dict[str, Any]:
    name = "binaryValue" if kind == "Binary" else "stringValue"
    return {name: value, "stringListValues": [], "binaryListValues": [], "dataType": kind}


def envelope(**attributes: str) -> str:
    """A body as SNS makes it around texts."""
    return envelope_of({name: {"Type": "String", "Value": value} for name, value in attributes.items()})


def envelope_of(attributes: dict[str, Any]) -> str:
    """A body as SNS makes it, https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
            "TopicArn": "arn:aws:sns:us-east-2:111122223333:ExampleTopic1",
            "Subject": "TestSubject",
            "Message": "This is a test message.",
            "Timestamp": "2021-02-16T21:41:19.978Z",
            "SignatureVersion": "1",
            "Signature": "FMG5tlZhJNHLHUXvZgtZzlk24FzVa7oX0T4P03neeXw8...",
            "SigningCertURL": "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-010a507c.pem",
            "UnsubscribeURL": "https://sns.us-east-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns",
            "MessageAttributes": attributes,
        },
        indent=2,
    )


def carried(source: Any) -> SpanContext:
    """The context that a message carries."""
    return trace.get_current_span(extract(source)).get_span_context()


def ids(span_context: Any) -> tuple[int, int]:
    return span_context.trace_id, span_context.span_id


def process_attributes(spans: Spans, source: Any, queue: Any = None) -> dict[str, Any]:
    """The attributes of the process span of a message."""
    with process(source, queue):
        pass
    return dict(spans.processed[-1].attributes or {})


def test_a_message_carries_its_context_in_its_attributes() -> None:
    assert ids(carried(message())) == (TRACE_ID, PARENT_ID)


def test_a_message_without_attributes_carries_nothing() -> None:
    assert not carried(message(None)).is_valid


def test_a_span_tells_what_a_message_tells(spans: Spans) -> None:
    assert process_attributes(spans, message()) == {
        "messaging.system": "aws_sqs",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5",
        "unbroken.message.receive_count": 3,
    }


class Queue:
    """A queue of boto3, as far as it is looked at."""

    url = URL


class Client:
    """A client of botocore, as far as it is looked at."""

    class meta:  # noqa: N801 - as the client calls it
        endpoint_url = "https://sqs.us-east-2.amazonaws.com"


@pytest.mark.parametrize("queue", [URL, Queue()], ids=["url", "resource"])
def test_a_plain_message_is_told_its_queue(spans: Spans, queue: Any) -> None:
    attributes = process_attributes(spans, message(), queue)
    assert spans.processed[0].name == "process my-queue"
    assert attributes["aws.sqs.queue.url"] == URL
    assert attributes["server.address"] == "sqs.us-east-2.amazonaws.com"


def test_a_plain_message_is_told_its_server_by_a_client(spans: Spans) -> None:
    attributes = process_attributes(spans, message(), Client())
    assert (attributes["server.address"], attributes["server.port"]) == ("sqs.us-east-2.amazonaws.com", 443)


def test_something_else_in_the_place_of_the_queue_tells_nothing(spans: Spans) -> None:
    assert "messaging.destination.name" not in process_attributes(spans, message(), object())


def test_a_lambda_record_carries_its_context() -> None:
    assert ids(carried(record({"traceparent": lambda_attribute(TRACEPARENT)}))) == (TRACE_ID, PARENT_ID)


def test_a_lambda_record_knows_its_queue(spans: Spans) -> None:
    attributes = process_attributes(spans, record())
    assert attributes["messaging.destination.name"] == "my-queue"
    assert attributes["messaging.message.id"] == "059f36b4-87a3-44ab-83d2-661975830a7d"


def test_the_records_of_a_lambda_event_are_received_as_one_batch(spans: Spans) -> None:
    event = {"Records": [record({"traceparent": lambda_attribute(TRACEPARENT)}), record()]}
    with receive(event["Records"]):
        pass
    assert [link.context.trace_id for link in spans.named("receive my-queue").links] == [TRACE_ID]


def test_a_lambda_event_is_no_message() -> None:
    with pytest.raises(UnknownMessage, match=r"several messages.*for record in event"):
        process({"Records": [record()]})


def test_a_lambda_record_is_forwarded_as_the_api_takes_attributes() -> None:
    attributes = {
        "traceparent": lambda_attribute(OTHER),
        "tenant": lambda_attribute("a"),
        "amount": lambda_attribute("123", "Number"),
        "octets": lambda_attribute("/wD+", "Binary"),
    }
    forwarded = forward(record(attributes))
    assert {name: forwarded[name] for name in ("tenant", "amount", "octets")} == {
        "tenant": attribute("a"),
        "amount": {"DataType": "Number", "StringValue": "123"},
        "octets": {"DataType": "Binary", "BinaryValue": b"\xff\x00\xfe"},
    }
    assert forwarded["unbroken-source"] == attribute("my-queue/059f36b4-87a3-44ab-83d2-661975830a7d")


def test_a_message_of_sns_carries_the_context_in_its_envelope() -> None:
    assert ids(carried(message(None, envelope(traceparent=TRACEPARENT)))) == (TRACE_ID, PARENT_ID)


def test_a_message_of_sns_in_a_lambda_record_carries_the_context_in_its_envelope() -> None:
    assert ids(carried(record(body=envelope(traceparent=TRACEPARENT)))) == (TRACE_ID, PARENT_ID)


def test_a_message_of_sns_brings_its_baggage(spans: Spans) -> None:
    from opentelemetry import baggage

    with process(message(None, envelope(traceparent=TRACEPARENT, baggage="tenant=a"))):
        assert baggage.get_baggage("tenant") == "a"


def test_an_envelope_counts_only_where_the_attributes_hold_no_context(spans: Spans) -> None:
    with process(message(TRACEPARENT, envelope(traceparent=OTHER))):
        pass
    assert [ids(link.context) for link in spans.processed[0].links] == [(TRACE_ID, PARENT_ID)]


def test_a_malformed_field_in_an_envelope_starts_a_trace() -> None:
    assert not carried(message(None, envelope(traceparent="nonsense"))).is_valid


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        b"octets",
        "",
        "Hello",
        "[" * 100_000,
        '{"Type": "Notification", "MessageAttributes": ' + "[" * 100_000,
        '{"Type": "Notification", "MessageAttributes": 7}',
        '{"Type": "Notification", "MessageAttributes": {"traceparent": 7}}',
        '{"Type": "Notification", "MessageAttributes": {"traceparent": {"Value": {}}}}',
        '{"Type": "Other", "x": "Notification", "MessageAttributes": {"traceparent": {"Value": "' + OTHER + '"}}}',
        '{"Notification": "MessageAttributes"',
        '{"Type": "Notification", "MessageAttributes": {"a": ' + '"x"' * 1_000_000,
        "\ud800" * 10,
    ],
    ids=range(14),
)
def test_a_body_that_is_no_envelope_is_none(spans: Spans, body: Any) -> None:
    with process(message(None, body)):
        pass
    assert spans.processed[0].parent is None


def test_a_body_larger_than_any_message_is_not_parsed() -> None:
    body = envelope(traceparent=TRACEPARENT)
    assert sns_attributes(body + " " * (MAX_ENVELOPE - len(body) + 1)) is None


def test_the_segment_of_x_ray_is_the_parent_where_there_is_no_context(spans: Spans) -> None:
    with process(message(None, AWSTraceHeader=XRAY)):
        pass
    assert spans.processed[0].parent is not None
    assert ids(spans.processed[0].parent) == (XRAY_TRACE_ID, XRAY_PARENT_ID)


def test_the_segment_of_x_ray_is_a_link_beside_a_context(spans: Spans) -> None:
    with process(message(AWSTraceHeader=XRAY)):
        pass
    (span,) = spans.processed
    assert span.parent is not None
    assert ids(span.parent) == (TRACE_ID, PARENT_ID)
    assert [ids(link.context) for link in span.links] == [(TRACE_ID, PARENT_ID), (XRAY_TRACE_ID, XRAY_PARENT_ID)]


def test_the_segment_of_x_ray_is_a_link_beside_an_envelope(spans: Spans) -> None:
    with process(message(None, envelope(traceparent=TRACEPARENT), AWSTraceHeader=XRAY)):
        pass
    assert [ids(link.context) for link in spans.processed[0].links] == [
        (TRACE_ID, PARENT_ID),
        (XRAY_TRACE_ID, XRAY_PARENT_ID),
    ]


def test_the_segment_of_a_lambda_record_is_its_parent() -> None:
    assert ids(carried(record(AWSTraceHeader=XRAY))) == (XRAY_TRACE_ID, XRAY_PARENT_ID)


def test_without_propagators_x_ray_counts_for_nothing() -> None:
    before = get_global_textmap()
    set_global_textmap(CompositePropagator([]))
    try:
        assert not carried(message(None, AWSTraceHeader=XRAY)).is_valid
    finally:
        set_global_textmap(before)


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (XRAY, 1),
        (XRAY.replace("Sampled=1", "Sampled=0"), 0),
        (XRAY.replace("Sampled=1", "Sampled=?"), 0),
        (XRAY.replace(";Sampled=1", ""), 0),
        ("Self=1-67891234-12456789abcdef012345678;" + XRAY, 1),
        ("Parent=53995c3f42cd8ad8; Sampled=1; Root=1-5759E988-BD862E3FE1BE46A994272793", 1),
        (XRAY + ";Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2", 1),
    ],
)
def test_a_trace_header_names_its_parent(header: str, flags: int) -> None:
    assert parse_trace_header(header) == (XRAY_TRACE_ID, XRAY_PARENT_ID, flags)


def test_a_trace_header_without_a_parent_names_none() -> None:
    assert parse_trace_header("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1") is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"Root=1-5759e988-bd862e3fe1be46a994272793",
        "",
        "nonsense",
        XRAY.replace("Root=1", "Root=2"),
        XRAY.replace("Parent=5", "Parent="),
        XRAY.replace("53995c3f42cd8ad8", "0" * 16),
        XRAY.replace("5759e988-bd862e3fe1be46a994272793", "0" * 8 + "-" + "0" * 24),
        XRAY + ";" * MAX_LENGTH,
    ],
)
def test_a_malformed_trace_header_is_refused(header: Any) -> None:
    with pytest.raises(InvalidHeader) as caught:
        parse_trace_header(header)
    assert caught.value.field == "AWSTraceHeader"


def test_a_malformed_trace_header_costs_no_context() -> None:
    assert ids(carried(message(AWSTraceHeader="nonsense"))) == (TRACE_ID, PARENT_ID)


@given(st.text() | st.lists(st.sampled_from(["Root=", "1-", "5759e988", ";", "Parent=", "=", "0"])).map("".join))
def test_any_text_is_a_trace_header_or_refused(text: str) -> None:
    try:
        found = parse_trace_header(text)
    except InvalidHeader:
        return
    assert found is None or found.trace_id


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["traceparent", "StringValue"]), inner),
    max_leaves=10,
)


@given(JSON, JSON, JSON, JSON)
def test_whatever_a_message_holds_nothing_is_raised(body: Any, system: Any, attributes: Any, identity: Any) -> None:
    for names in (
        ("Body", "Attributes", "MessageAttributes", "MessageId", "ReceiptHandle"),
        ("body", "attributes", "messageAttributes", "messageId", "receiptHandle"),
    ):
        hostile = dict(zip(names, (body, system, attributes, identity, identity), strict=True))
        with process(hostile), receive([hostile]):
            extract(hostile)
            forward(hostile)


@given(st.text().map(lambda text: json.dumps({"Type": "Notification", "MessageAttributes": text})) | st.text())
def test_whatever_a_body_is_nothing_is_raised(body: str) -> None:
    sns_attributes(body)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (URL, "my-queue"),
        ("http://localhost:9324/000000000000/orders.fifo", "orders.fifo"),
        ("http://localhost:4566/queue/orders/", "orders"),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:orders", "orders"),
        ("orders", "orders"),
        ("", ""),
    ],
)
def test_a_queue_is_named_by_the_end_of_its_url(url: str, name: str) -> None:
    assert queue_at(url).name == name


@pytest.mark.parametrize("url", ["", "orders", "http://host:port/orders", "http://[::1/orders", "ftp://host/orders"])
def test_a_url_without_a_server_names_none(url: str) -> None:
    assert server_at(url) == {}


def received() -> Received:
    return Received(message(), queue_at(URL))


def test_a_message_of_an_instrumented_client_is_the_same_dict() -> None:
    assert received() == message()
    assert json.loads(json.dumps(received())) == message()
    assert repr(received()) == repr(message())


def test_a_message_of_an_instrumented_client_is_copied_and_pickled_as_a_dict() -> None:
    for other in (pickle.loads(pickle.dumps(received())), copy.copy(received()), copy.deepcopy(received())):
        assert (type(other), other) == (dict, message())


def test_a_message_of_an_instrumented_client_knows_its_queue(spans: Spans) -> None:
    assert process_attributes(spans, received())["aws.sqs.queue.url"] == URL


def test_a_policy_knows_the_queue_of_a_message(spans: Spans) -> None:
    before = configure(Policy(ignore=("my-*",)))
    try:
        with process(received()), process(record()):
            pass
    finally:
        configure(before)
    assert spans.processed == []


def test_a_policy_knows_the_queue_that_a_plain_message_is_told(spans: Spans) -> None:
    before = configure(Policy(only=("my-*",)))
    try:
        with receive([message()], URL), process(message(), URL):
            pass
    finally:
        configure(before)
    assert [span.name for span in spans.ended] == ["process my-queue", "receive my-queue"]


def test_plain_dicts_are_not_remembered_as_messages(spans: Spans) -> None:
    with process(message()):
        pass
    assert dict not in known_types


def test_a_mapping_that_is_no_dict_is_a_message(spans: Spans) -> None:
    from types import MappingProxyType

    with process(MappingProxyType(record({"traceparent": lambda_attribute(TRACEPARENT)}))) as span:
        assert span.get_span_context().trace_id == TRACE_ID


# Octets, which Lambda and SNS write as base64.

BASE64 = base64.b64encode(TRACEPARENT.encode()).decode()


def binary_message(value: Any) -> dict[str, Any]:
    return {**message(None), "MessageAttributes": {"traceparent": {"DataType": "Binary", "BinaryValue": value}}}


@pytest.mark.parametrize(
    "source",
    [
        record({"traceparent": lambda_attribute(BASE64, "Binary")}),
        record({"traceparent": {"dataType": "Binary", "binaryValue": BASE64, "stringValue": None}}),
        message(None, envelope_of({"traceparent": {"Type": "Binary", "Value": BASE64}})),
        record(body=envelope_of({"traceparent": {"Type": "Binary", "Value": BASE64}})),
        {**message(None), "MessageAttributes": {"traceparent": {"DataType": "Binary", "BinaryValue": BASE64}}},
        {
            **message(None),
            "MessageAttributes": {"traceparent": {"DataType": "Binary", "BinaryValue": TRACEPARENT.encode()}},
        },
        {"traceparent": lambda_attribute(BASE64, "Binary")},
        {"traceparent": {"Type": "Binary", "Value": BASE64}},
    ],
    ids=["lambda", "lambda-null", "envelope", "lambda-envelope", "json", "octets", "attributes", "sns-attributes"],
)
def test_a_context_in_binary_attributes_is_read(source: Any) -> None:
    assert ids(carried(source)) == (TRACE_ID, PARENT_ID)


@pytest.mark.parametrize("value", ["no base64!", "=", "é", BASE64[:-3], "A" * 20000])
def test_binary_attributes_that_are_no_base64_carry_nothing(value: str, spans: Spans) -> None:
    broken = record({"traceparent": lambda_attribute(value, "Binary"), "mine": lambda_attribute(value, "Binary")})
    assert not carried(broken).is_valid
    process_attributes(spans, broken)
    assert forward(broken)["unbroken-attempt"] == attribute("1")


# Records of a Lambda event of SNS.


def sns_record(attributes: dict[str, Any] | None = None, **notification: Any) -> dict[str, Any]:
    """A record of a Lambda event, as https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html shows it."""
    return {
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda:21be56ed-a058-49f5-8c98-aedd2564c486",
        "EventSource": "aws:sns",
        "Sns": {
            "SignatureVersion": "1",
            "Timestamp": "2019-01-02T12:45:07.000Z",
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "Message": "Hello from SNS!",
            "MessageAttributes": attributes or {},
            "Type": "Notification",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:sns-lambda",
            "Subject": "TestInvoke",
            **notification,
        },
    }


def sns_attribute(value: str, kind: str = "String") -> dict[str, str]:
    return {"Type": kind, "Value": value}


@pytest.mark.parametrize("carrier", [sns_attribute(TRACEPARENT), sns_attribute(BASE64, "Binary")])
def test_a_record_of_sns_is_processed_in_the_trace_of_its_publisher(carrier: Any, spans: Spans) -> None:
    found = sns_record({"traceparent": carrier, "tenant": sns_attribute("acme")})
    assert ids(carried(found)) == ids(carried(found["Sns"]["MessageAttributes"])) == (TRACE_ID, PARENT_ID)
    assert process_attributes(spans, found) == {
        "messaging.system": "aws.sns",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "sns-lambda",
        "messaging.message.id": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "aws.sns.topic.arn": "arn:aws:sns:us-east-1:123456789012:sns-lambda",
    }
    (span,) = spans.processed
    assert (span.name, ids(span.parent)) == ("process sns-lambda", (TRACE_ID, PARENT_ID))


def test_the_records_of_an_event_of_sns_are_received_together(spans: Spans) -> None:
    records = [sns_record({"traceparent": sns_attribute(one)}) for one in (TRACEPARENT, OTHER)]
    with receive(records):
        for one in records:
            with process(one):
                pass
    (received,) = spans.of(SpanKind.CLIENT)
    assert [ids(link.context) for link in received.links] == [ids(carried(one)) for one in records]
    assert received.name == "receive sns-lambda"
    assert len(spans.processed) == 2


def test_a_record_of_sns_is_forwarded_with_attributes_as_the_api_takes_them() -> None:
    found = sns_record(
        {
            "traceparent": sns_attribute(BASE64, "Binary"),
            "tenant": sns_attribute("acme"),
            "count": sns_attribute("7", "Number"),
            "octets": sns_attribute(base64.b64encode(b"\xff\x00").decode(), "Binary"),
        }
    )
    with process(found):
        headers = forward(found, error=ValueError("no"))
    assert headers["tenant"] == attribute("acme")
    assert headers["count"] == {"DataType": "Number", "StringValue": "7"}
    assert headers["octets"] == {"DataType": "Binary", "BinaryValue": b"\xff\x00"}
    assert headers["unbroken-source"] == attribute("sns-lambda/95df01b4-ee98-5cb9-9903-4c221d41eb5e")
    assert headers["unbroken-origin"] == attribute(TRACEPARENT)
    assert headers["traceparent"]["StringValue"].startswith(f"00-{TRACE_ID:032x}-")


def test_attributes_that_were_received_are_injected_into_as_the_api_takes_them() -> None:
    given = {"tenant": sns_attribute("acme"), "count": lambda_attribute("7", "Number")}
    assert inject(given) == {"tenant": attribute("acme"), "count": {"DataType": "Number", "StringValue": "7"}}


@pytest.mark.parametrize(
    "garbage", [None, "text", 7, [], {}, {"MessageAttributes": "x", "Timestamp": 7, "TopicArn": None}]
)
def test_a_record_of_sns_that_holds_garbage_is_processed(
    garbage: Any, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    found = {**sns_record(), "Sns": garbage}
    assert None not in process_attributes(spans, found).values()
    assert "None" not in forward(found)["unbroken-source"]["StringValue"]
    assert caplog.records == []


def test_the_time_since_a_record_of_sns_was_published_is_known() -> None:
    assert type_of(sns_record()).timestamp(sns_record()) == 1546433107.0


def test_what_has_no_id_is_forwarded_without_the_text_of_none() -> None:
    found = message()
    del found["MessageId"]
    assert forward(found)["unbroken-source"] == attribute("")
