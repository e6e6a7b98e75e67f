"""`send`: one message on its way, one PRODUCER span, and who its parent is."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span, set_span_in_context

from tests.messaging.telemetry import (
    IDS,
    OTHER,
    TRACED,
    TRACEPARENT,
    Finished,
    attributes,
    creation,
    here,
    ids,
    linked,
    message,
    points,
)
from unbroken import attached, extract, forward, process, send
from unbroken.errors import UnknownCarrier
from unbroken.messaging import tracing
from unbroken.messaging.send import start_send

OTHERS = [("user", b"1"), ("traceparent", OTHER)]


def carried(headers: Any) -> tuple[int, int]:
    return ids(here(extract(headers)))


def test_a_message_is_one_producer_span_whose_context_is_on_the_wire(finished: Finished) -> None:
    with send("orders", attributes={"tenant": "a"}) as sending:
        assert get_current_span() is sending.span
    (span,) = finished()
    assert (span.name, span.kind, span.parent) == ("send orders", SpanKind.PRODUCER, None)
    assert carried(sending.headers) == ids(span.context)
    assert attributes(span) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "tenant": "a",
    }


def test_the_current_span_is_the_parent(finished: Finished) -> None:
    with attached(extract(list(TRACED))), send("orders"):
        pass
    assert ids(finished()[0].parent) == ids(creation())


def test_baggage_goes_with_the_message(finished: Finished) -> None:
    with attached(baggage.set_baggage("a", "1", Context())), send("orders") as sending:
        assert dict(sending.headers)["baggage"] == b"a=1"


@pytest.mark.parametrize("headers", [None, [], (), {}, [("a", b"1")], {"a": "1"}, (("a", b"1"),)])
def test_the_headers_keep_their_shape_and_the_argument_stays_as_it_was(headers: Any, finished: Finished) -> None:
    shape = list if headers is None else type(headers)
    before = repr(headers)
    with send("orders", headers) as sending:
        pass
    assert (type(sending.headers), repr(headers)) == (shape, before)


def test_a_context_of_the_current_trace_is_replaced(finished: Finished) -> None:
    with (
        attached(extract(list(TRACED))),
        send("orders", [("traceparent", b"00-" + IDS[:33].encode() + b"2" * 16 + b"-01")]) as sending,
    ):
        pass
    (span,) = finished()
    assert (carried(sending.headers), span.kind) == (ids(span.context), SpanKind.PRODUCER)


@pytest.mark.parametrize("correlation", ["parent", "link"])
def test_the_origin_of_the_message_being_processed_is_replaced(correlation: Any, finished: Finished) -> None:
    one = message()
    with process(one, correlation=correlation) as handling, send("orders", list(TRACED)) as sending:
        pass
    sent, _ = finished()
    assert (carried(sending.headers), sent.kind) == (ids(sent.context), SpanKind.PRODUCER)
    assert ids(sent.parent) == ids(handling.get_span_context())


def test_a_context_in_the_headers_is_the_parent_when_no_span_is_current(finished: Finished) -> None:
    with send("orders", [("user", b"1"), *TRACED, ("baggage", b"a=1")]) as sending:
        assert baggage.get_baggage("a") == "1"
    (span,) = finished()
    assert ids(span.parent) == ids(creation())
    assert sending.headers[0] == ("user", b"1")
    assert (carried(sending.headers), span.kind) == (ids(span.context), SpanKind.PRODUCER)


def test_a_context_that_the_application_put_there_is_kept_and_linked(finished: Finished) -> None:
    with attached(extract(list(TRACED))), send("orders", OTHERS) as sending:
        pass
    (span,) = finished()
    assert sending.headers == OTHERS
    assert (span.kind, linked(span)) == (SpanKind.CLIENT, [ids(creation(OTHERS))])
    assert ids(span.parent) == ids(creation())


def test_another_context_is_kept_also_while_a_message_is_processed(finished: Finished) -> None:
    with process(message()), send("orders", OTHERS) as sending:
        assert sending.headers == OTHERS
    assert finished()[0].kind is SpanKind.CLIENT


def test_a_malformed_context_is_replaced(finished: Finished) -> None:
    with send("orders", [("traceparent", b"broken")]) as sending:
        pass
    assert carried(sending.headers) == ids(finished()[0].context)
    assert len(sending.headers) == 1


def test_a_forwarded_message_is_sent_in_the_trace_of_its_origin(finished: Finished) -> None:
    one = message()
    with process(one) as handling, send("dlq", forward(one)) as sending:
        pass
    sent, _ = finished()
    assert ids(sent.parent) == ids(handling.get_span_context())
    assert carried(sending.headers) == ids(sent.context)
    assert dict(sending.headers)["unbroken-origin"] == TRACEPARENT


def test_a_message_forwarded_outside_its_block_is_sent_as_a_child_of_its_origin(finished: Finished) -> None:
    with send("dlq", forward(message())):
        pass
    assert ids(finished()[0].parent) == ids(creation())


def test_an_error_marks_the_span_and_passes_untouched(finished: Finished) -> None:
    before, error = get_current(), ValueError("no")
    with pytest.raises(ValueError, match="no") as raised, send("orders"):
        raise error
    (span,) = finished()
    assert raised.value is error
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert get_current() is before


def test_an_error_of_the_broker_marks_the_span(finished: Finished) -> None:
    sending = start_send("orders", None, dict)
    sending.end("_MSG_TIMED_OUT")
    (span,) = finished()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "_MSG_TIMED_OUT")
    assert attributes(span)["error.type"] == "_MSG_TIMED_OUT"


def test_what_the_broker_tells_is_on_the_span(finished: Finished) -> None:
    start_send("orders", None, dict).end(attributes={"messaging.kafka.offset": 7})
    assert attributes(finished()[0])["messaging.kafka.offset"] == 7


def test_a_span_ends_once(finished: Finished) -> None:
    sending = start_send("orders", None, dict)
    sending.end()
    sending.end("_MSG_TIMED_OUT")
    (span,) = finished()
    assert span.status.status_code is StatusCode.UNSET


def test_a_span_that_was_begun_is_not_current(finished: Finished) -> None:
    before = get_current()
    sending = start_send("orders", None, dict)
    assert get_current() is before
    assert sending.is_observed
    sending.end()
    assert not sending.is_observed


def test_a_message_that_is_being_sent_already_is_one_span_with_one_context(finished: Finished) -> None:
    with send("orders", [("user", b"1")]) as outer, send("orders", outer.headers) as inner:
        assert get_current_span() is outer.span
    assert inner.headers == outer.headers
    assert [span.name for span in finished()] == ["send orders"]


def test_headers_that_a_framework_has_not_passed_on_get_the_context_of_the_send_around(finished: Finished) -> None:
    with send("orders"), send("orders") as inner:
        pass
    assert carried(inner.headers) == ids(finished()[0].context)


@pytest.mark.parametrize(("outer", "inner"), [([("baggage", b"a=1")], None), (None, [("baggage", b"a=1")])])
def test_baggage_alone_survives_both_sends_of_a_message(outer: Any, inner: Any, finished: Finished) -> None:
    with send("orders", outer), send("orders", inner) as sending:
        pass
    assert dict(sending.headers)["baggage"] == b"a=1"
    assert carried(sending.headers) == ids(finished()[0].context)


def test_a_context_of_the_application_is_kept_by_both_sends_of_a_message(finished: Finished) -> None:
    with attached(extract(list(TRACED))), send("orders", OTHERS) as outer, send("orders", outer.headers) as inner:
        pass
    assert inner.headers == OTHERS
    assert len(finished()) == 1


def test_another_message_that_is_sent_meanwhile_has_its_own_span(finished: Finished) -> None:
    with send("orders"), send("audit"):
        pass
    assert [span.name for span in finished()] == ["send audit", "send orders"]


def test_what_is_sent_again_in_the_context_of_a_send_that_has_ended_has_its_own_span(finished: Finished) -> None:
    with send("orders") as sending:
        inside = get_current()
    with attached(inside), send("orders"):
        pass
    assert ids(finished()[1].parent) == ids(sending.span.get_span_context())


def test_suppressed_instrumentation_leaves_the_headers_alone(finished: Finished) -> None:
    with attached(extract(list(TRACED))), suppress_instrumentation(), send("orders", [("a", b"1")]) as sending:
        assert sending.headers == [("a", b"1")]
        assert (sending.context, sending.span) == (None, INVALID_SPAN)
    assert finished() == ()


def test_a_topic_that_is_left_out_leaves_the_headers_alone(finished: Finished, use_policy: Callable[..., None]) -> None:
    use_policy(only=["payments"])
    with attached(extract(list(TRACED))), send("orders") as sending:
        assert sending.headers is None
    assert finished() == ()


def test_without_spans_the_current_context_goes_with_the_message(
    finished: Finished, use_policy: Callable[..., None]
) -> None:
    use_policy(spans=False)
    with attached(extract(list(TRACED))), send("orders") as sending:
        assert sending.headers == list(TRACED)
        assert not sending.is_observed
    assert finished() == ()


def test_without_spans_a_context_in_the_headers_stays(finished: Finished, use_policy: Callable[..., None]) -> None:
    use_policy(spans=False)
    with send("orders", OTHERS) as sending:
        assert sending.headers == OTHERS


def test_headers_of_another_shape_are_a_mistake_of_the_program() -> None:
    with pytest.raises(UnknownCarrier):
        send("orders", 7).__enter__()  # type: ignore[call-overload]


def test_a_block_can_be_entered_again(finished: Finished) -> None:
    block = send("orders")
    for _ in range(2):
        with block:
            pass
    assert len(finished()) == 2


def test_an_invalid_span_is_no_parent(finished: Finished) -> None:
    with attached(set_span_in_context(INVALID_SPAN, Context())), send("orders", list(TRACED)):
        pass
    assert ids(finished()[0].parent) == ids(creation())


@pytest.mark.parametrize(
    ("system", "name", "shape"),
    [("kafka", "send orders", list), ("rabbitmq", "publish orders", dict), ("aws_sqs", "send orders", dict)],
)
def test_a_message_is_sent_in_the_words_and_on_the_wire_of_its_broker(
    finished: Finished, system: str, name: str, shape: type
) -> None:
    with send("orders", system=system) as sending:
        pass
    assert (finished()[0].name, type(sending.headers)) == (name, shape)


TEN = {f"user-{number}": {"DataType": "String", "StringValue": "x"} for number in range(10)}


def test_a_message_that_has_ten_attributes_is_sent_as_it_is(finished: Finished) -> None:
    with send("orders", TEN, system="aws_sqs") as sending:
        pass
    assert sending.headers == TEN


def test_the_span_says_what_the_message_had_no_room_for(finished: Finished) -> None:
    with send("orders", TEN, system="aws_sqs"):
        pass
    assert attributes(finished()[0])["unbroken.carrier.left_out"] == ("traceparent",)


def test_what_a_message_had_no_room_for_is_logged_once(finished: Finished, caplog: pytest.LogCaptureFixture) -> None:
    tracing._said.clear()
    for _ in range(3):
        with send("orders", TEN, system="aws_sqs"):
            pass
    (record,) = caplog.records
    assert "it is sent without traceparent" in record.getMessage()


def test_what_a_message_had_no_room_for_is_counted(finished: Finished, reader: InMemoryMetricReader) -> None:
    for _ in range(3):
        with send("orders", TEN, system="aws_sqs"):
            pass
    ((labels, point),) = points(reader, "unbroken.carriers.full")
    assert (labels, point.value) == ({"messaging.system": "aws_sqs", "unbroken.carrier.field": "traceparent"}, 3)
