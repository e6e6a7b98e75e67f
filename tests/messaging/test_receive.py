"""`receive`: the messages of one poll, one CLIENT span linked to each of them."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span

from tests.messaging.telemetry import OTHER, TRACED, Finished, attributes, creation, here, ids, linked, message
from unbroken import attached, extract, process, receive
from unbroken.errors import UnknownMessage


def batch() -> list[Any]:
    return [message(offset=1), message([("traceparent", OTHER)], offset=2), message(None, offset=3)]


def test_a_batch_is_one_client_span_with_the_names_of_the_conventions(finished: Finished) -> None:
    with receive(batch()):
        pass
    (span,) = finished()
    assert (span.name, span.kind, span.status.status_code) == ("poll orders", SpanKind.CLIENT, StatusCode.UNSET)
    assert attributes(span) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "poll",
        "messaging.operation.type": "receive",
        "messaging.destination.name": "orders",
        "messaging.batch.message_count": 3,
    }


def test_each_creation_context_is_a_link_with_what_differs(finished: Finished) -> None:
    with receive(batch()):
        pass
    (span,) = finished()
    assert linked(span) == [ids(creation()), ids(creation([("traceparent", OTHER)]))]
    assert [dict(link.attributes or {}) for link in span.links] == [
        {
            "messaging.destination.partition.id": "3",
            "messaging.kafka.offset": offset,
            "messaging.kafka.message.key": "k",
        }
        for offset in (1, 2)
    ]


def test_the_key_stays_off_the_links_when_the_policy_says_so(
    finished: Finished, use_policy: Callable[..., None]
) -> None:
    use_policy(message_key=False)
    with receive([message()]):
        pass
    assert "messaging.kafka.message.key" not in dict(finished()[0].links[0].attributes or {})


def test_several_parents_of_a_message_are_all_links(finished: Finished) -> None:
    with receive([message([("traceparent", OTHER), *TRACED])]):
        pass
    assert linked(finished()[0]) == [ids(creation()), ids(creation([("traceparent", OTHER)]))]


def test_messages_of_several_topics_have_no_destination(finished: Finished) -> None:
    with receive([message(), message(topic="payments")]):
        pass
    (span,) = finished()
    assert span.name == "poll"
    assert "messaging.destination.name" not in attributes(span)


def test_the_span_is_current_in_the_block_and_a_child_of_the_ambient_one(finished: Finished) -> None:
    before = get_current()
    with attached(extract(list(TRACED))), receive(batch()) as span:
        assert get_current_span() is span
    assert ids(finished()[0].parent) == ids(creation())
    assert get_current() is before


def test_each_message_of_a_batch_is_in_its_own_trace_and_links_the_poll(finished: Finished) -> None:
    messages = batch()
    with receive(messages) as poll:
        for one in messages:
            with process(one):
                pass
    *processed, _ = finished()
    assert [ids(span.parent) for span in processed[:2]] == [ids(creation()), ids(creation([("traceparent", OTHER)]))]
    assert [linked(span)[-1] for span in processed] == [ids(poll.get_span_context())] * 3


def test_an_error_marks_the_span_and_passes_untouched(finished: Finished) -> None:
    before, error = get_current(), ValueError("no")
    with pytest.raises(ValueError, match="no") as raised, receive(batch()):
        raise error
    (span,) = finished()
    assert raised.value is error
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "ValueError")
    assert get_current() is before


def test_no_messages_are_no_span(finished: Finished) -> None:
    with receive([]) as span:
        assert span is INVALID_SPAN
    assert finished() == ()


def test_suppressed_instrumentation_is_an_empty_block(finished: Finished) -> None:
    with suppress_instrumentation(), receive(batch()):
        assert not here().is_valid
    assert finished() == ()


def test_topics_that_are_left_out_are_not_linked(finished: Finished, use_policy: Callable[..., None]) -> None:
    use_policy(ignore=("pay*",))
    with receive([message(), message([("traceparent", OTHER)], topic="payments")]):
        pass
    with receive([message(topic="payments")]):
        pass
    (span,) = finished()
    assert (linked(span), attributes(span)["messaging.batch.message_count"]) == ([ids(creation())], 1)


def test_without_spans_there_is_none(finished: Finished, use_policy: Callable[..., None]) -> None:
    use_policy(spans=False)
    with receive(batch()):
        assert not here().is_valid
    assert finished() == ()


def test_error_events_are_passed_over(finished: Finished) -> None:
    client = pytest.importorskip("confluent_kafka")
    try:
        event = client.Message(error=client.KafkaError(client.KafkaError._PARTITION_EOF), topic="orders")
    except TypeError:
        pytest.skip("this confluent-kafka has no constructor for messages")
    with receive([event, message()]):
        pass
    with receive([event]):
        pass
    (span,) = finished()
    assert attributes(span)["messaging.batch.message_count"] == 1


@pytest.mark.parametrize("messages", [[None], ["message"], [message(), None]])
def test_what_is_no_message_is_a_mistake_of_the_program(messages: list[Any]) -> None:
    with pytest.raises(UnknownMessage):
        receive(messages)


def test_messages_that_can_be_read_only_once_are_a_mistake_of_the_program() -> None:
    messages = iter([message()])
    with pytest.raises(TypeError, match="only once"):
        receive(messages)
    assert len(list(messages)) == 1


def test_a_block_can_be_entered_again(finished: Finished) -> None:
    block = receive(batch())
    for _ in range(2):
        with block:
            pass
    assert len(finished()) == 2


def test_a_hundred_and_twenty_eight_links_are_kept_by_the_sdk(finished: Finished) -> None:
    with receive([message(offset=offset) for offset in range(200)]):
        pass
    (span,) = finished()
    assert (len(span.links), attributes(span)["messaging.batch.message_count"]) == (128, 200)


def test_a_consumer_tells_about_itself(finished: Finished, alter: Callable[..., None]) -> None:
    one = message()
    alter(one, consumer=lambda consumer: {"messaging.consumer.group.name": consumer})
    with receive([one], "payments"), process(one, "payments"):
        pass
    assert [attributes(span)["messaging.consumer.group.name"] for span in finished()] == ["payments", "payments"]


def test_with_a_start_time_the_span_covers_the_poll(finished: Finished) -> None:
    with receive(batch(), start_time=1):
        pass
    assert finished()[0].start_time == 1


def test_the_operation_is_called_as_the_broker_calls_it(finished: Finished, alter: Callable[..., None]) -> None:
    alter(message(), receiving="consume")
    with receive([message()]):
        pass
    assert finished()[0].name == "consume orders"


def test_where_the_destination_is_not_known_the_name_is_the_operation(
    finished: Finished, alter: Callable[..., None]
) -> None:
    alter(message(), destination=lambda one: "")
    with receive([message()]):
        pass
    assert finished()[0].name == "poll"
