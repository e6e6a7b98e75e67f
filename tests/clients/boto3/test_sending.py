"""boto3: messages that are sent, alone and in batches."""

import copy
import logging
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.stub import Stubber
from opentelemetry import baggage, context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.b3 import B3SingleFormat
from opentelemetry.trace import StatusCode

from tests.clients.boto3.clients import PARENT, poll
from tests.clients.sqs import Requests, attribute, attributes, entry
from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, process
from unbroken.clients.boto3 import uninstrument
from unbroken.clients.sqs.sizes import SIZE_LIMITS
from unbroken.messaging import tracing


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
    (warning,) = caplog.records
    assert warning.getMessage().startswith(
        "a message has reached the limit of 10 attributes of a message (SQS): it is sent without traceparent"
    )


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
