"""`process`: the record decides about parent, links and baggage; after the block the context is what it was."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import (
    OTHER,
    TRACED,
    TRACEPARENT,
    UNSAMPLED,
    Finished,
    attributes,
    creation,
    here,
    ids,
    linked,
    message,
)
from unbroken import attached, extract, inject, process
from unbroken.errors import UnknownMessage
from unbroken.propagation.context import Origin, extract_origin

UsePolicy = Callable[..., None]


def ambient() -> Context:
    return baggage.set_baggage("ambient", "1", extract([("traceparent", OTHER)]))


def test_a_message_is_one_consumer_span_with_the_names_of_the_conventions(finished: Finished) -> None:
    with process(message()):
        pass
    (span,) = finished()
    assert (span.name, span.kind, span.status.status_code) == ("process orders", SpanKind.CONSUMER, StatusCode.UNSET)
    assert attributes(span) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 7,
        "messaging.kafka.message.key": "k",
    }


def test_the_creation_context_is_the_parent_and_a_link(finished: Finished) -> None:
    with process(message()):
        pass
    (span,) = finished()
    assert ids(span.parent) == ids(creation())
    assert linked(span) == [ids(creation())]
    assert span.parent is not None
    assert span.parent.is_remote


def test_the_span_of_the_message_is_current_in_the_block(finished: Finished) -> None:
    with process(message()) as span:
        assert get_current_span() is span
        assert here().trace_id == creation().trace_id
    assert ids(finished()[0].context) == ids(span.get_span_context())


def test_by_link_the_span_starts_a_trace_and_links_the_creation_context(finished: Finished) -> None:
    with process(message(), correlation="link"):
        assert here().trace_id != creation().trace_id
    (span,) = finished()
    assert (span.parent, linked(span)) == (None, [ids(creation())])


def test_the_policy_decides_about_the_correlation_where_the_call_does_not(
    finished: Finished, use_policy: UsePolicy
) -> None:
    use_policy(correlation="link")
    with process(message()):
        pass
    with process(message(), correlation="parent"):
        pass
    by_link, by_parent = finished()
    assert (by_link.parent, ids(by_parent.parent)) == (None, ids(creation()))


def test_an_ambient_span_is_a_link_and_never_the_parent(finished: Finished) -> None:
    with attached(ambient()), process(message()):
        pass
    (span,) = finished()
    assert ids(span.parent) == ids(creation())
    assert linked(span) == [ids(creation()), ids(here(ambient()))]


def test_a_message_without_a_context_starts_a_trace_also_inside_another(finished: Finished) -> None:
    with attached(ambient()), process(message(None)):
        pass
    (span,) = finished()
    assert span.parent is None
    assert span.context is not None
    assert span.context.trace_id != here(ambient()).trace_id
    assert linked(span) == [ids(here(ambient()))]


def test_an_ambient_span_that_created_the_message_is_linked_once(finished: Finished) -> None:
    with attached(extract(list(TRACED))), process(message()):
        pass
    assert linked(finished()[0]) == [ids(creation())]


def test_the_other_parents_of_a_message_are_links(finished: Finished) -> None:
    with process(message([("traceparent", OTHER), *TRACED])):
        pass
    (span,) = finished()
    assert ids(span.parent) == ids(creation())
    assert linked(span) == [ids(creation()), ids(creation([("traceparent", OTHER)]))]


def test_several_parents_restart_the_trace_when_the_policy_says_so(finished: Finished, use_policy: UsePolicy) -> None:
    use_policy(duplicates="restart")
    with process(message([("traceparent", OTHER), *TRACED])):
        pass
    assert finished()[0].parent is None


def test_baggage_comes_from_the_record_only(finished: Finished) -> None:
    with attached(ambient()):
        with process(message([*TRACED, ("baggage", b"own=1")])):
            assert dict(baggage.get_all()) == {"own": "1"}
        with process(message()):
            assert dict(baggage.get_all()) == {}
        assert dict(baggage.get_all()) == {"ambient": "1"}


def test_what_else_the_application_keeps_in_its_context_stays(finished: Finished) -> None:
    with attached(Context({"tenant": "a"})), process(message()):
        assert get_current()["tenant"] == "a"


def test_the_same_message_twice_is_one_span(finished: Finished) -> None:
    one = message()
    with process(one) as outer:
        with process(one) as inner:
            assert inner is outer
            assert get_current_span() is outer
        assert outer.is_recording()
    assert len(finished()) == 1


def test_the_same_message_one_after_the_other_is_two_spans(finished: Finished) -> None:
    one = message()
    for _ in range(2):
        with process(one):
            pass
    assert [ids(span.parent) for span in finished()] == [ids(creation())] * 2


def test_another_message_inside_is_in_its_own_trace(finished: Finished) -> None:
    with process(message()) as outer, process(message([("traceparent", OTHER)])):
        assert here().trace_id == creation([("traceparent", OTHER)]).trace_id
    inner, _ = finished()
    assert linked(inner)[1] == ids(outer.get_span_context())


def test_an_equal_message_is_another_message(finished: Finished) -> None:
    with process(message()), process(message()):
        pass
    assert len(finished()) == 2


def test_a_block_can_be_entered_again_after_it_ended(finished: Finished) -> None:
    block = process(message())
    for _ in range(2):
        with block:
            pass
    assert len(finished()) == 2


def test_more_attributes_can_be_given(finished: Finished) -> None:
    with process(message(), attributes={"tenant": "a", "messaging.destination.name": "template"}):
        pass
    (span,) = finished()
    assert (attributes(span)["tenant"], span.name) == ("a", "process template")


def test_the_block_knows_the_creation_context(finished: Finished) -> None:
    block = process(message())
    with block:
        assert ids(block.origin) == ids(creation())
    with process(message(None)) as _, (block := process(message(None))):
        assert block.origin is None


def test_the_key_stays_off_the_span_when_the_policy_says_so(finished: Finished, use_policy: UsePolicy) -> None:
    use_policy(message_key=False)
    with process(message()):
        pass
    assert "messaging.kafka.message.key" not in attributes(finished()[0])


@pytest.mark.parametrize("key", [None, b"\xff"])
def test_a_key_without_text_is_left_out(key: bytes | None, finished: Finished) -> None:
    with process(message(key=key)):
        pass
    assert "messaging.kafka.message.key" not in attributes(finished()[0])


def test_a_tombstone_is_told(finished: Finished) -> None:
    with process(message(value=None)):
        pass
    assert attributes(finished()[0])["messaging.kafka.message.tombstone"] is True


def test_a_message_without_a_topic_is_processed_in_its_trace(finished: Finished) -> None:
    one: Any = message(topic=None)  # type: ignore[arg-type]
    with process(one):
        assert here().trace_id == creation().trace_id


@pytest.mark.parametrize("foreign", [None, "message", b"", object(), [], {}])
def test_what_is_no_message_is_a_mistake_of_the_program(foreign: object) -> None:
    with pytest.raises(UnknownMessage) as raised:
        process(foreign)
    assert isinstance(raised.value, TypeError)
    assert raised.value.message is foreign


def test_an_error_event_is_an_empty_block(finished: Finished) -> None:
    client = pytest.importorskip("confluent_kafka")
    try:
        event = client.Message(error=client.KafkaError(client.KafkaError._PARTITION_EOF), topic="orders")
    except TypeError:
        pytest.skip("this confluent-kafka has no constructor for messages")
    before, block = get_current(), process(event)
    with block as span:
        assert span is INVALID_SPAN
        assert get_current() is before
    assert (finished(), block.origin) == ((), None)


@pytest.mark.parametrize(
    "rules", [{"ignore": ("ord*",)}, {"only": ("pay*",)}, {"only": ("orders",), "ignore": ("orders",)}]
)
def test_a_topic_that_is_left_out_is_an_empty_block(
    rules: dict[str, Any], finished: Finished, use_policy: UsePolicy
) -> None:
    use_policy(**rules)
    block = process(message())
    with attached(ambient()), block as span:
        assert ids(here()) == ids(here(ambient()))
        assert span is INVALID_SPAN
    assert (finished(), block.origin) == ((), None)


@pytest.mark.parametrize("rules", [{"ignore": ("pay*",)}, {"only": ("pay*", "ord*")}, {"only": ["orders"]}])
def test_a_topic_that_is_not_left_out_is_traced(
    rules: dict[str, Any], finished: Finished, use_policy: UsePolicy
) -> None:
    use_policy(**rules)
    with process(message()):
        pass
    assert len(finished()) == 1


def test_suppressed_instrumentation_is_an_empty_block(finished: Finished) -> None:
    block = process(message())
    with suppress_instrumentation(), block:
        assert not here().is_valid
    assert (finished(), block.origin) == ((), None)


def test_without_spans_the_context_is_propagated(finished: Finished, use_policy: UsePolicy) -> None:
    use_policy(spans=False)
    with attached(ambient()), process(message([*TRACED, ("baggage", b"own=1")])) as span:
        assert not span.is_recording()
        assert inject() == [*TRACED, ("baggage", b"own=1")]
    assert finished() == ()


def test_without_spans_a_message_without_a_context_hides_the_ambient_one(
    finished: Finished, use_policy: UsePolicy
) -> None:
    use_policy(spans=False)
    with attached(ambient()), process(message(None)):
        assert inject() == []


@pytest.mark.parametrize("headers", [None, [], [("traceparent", b"broken")], [("traceparent", None)], [("a", None)]])
def test_headers_without_a_context_start_a_trace(headers: Any, finished: Finished) -> None:
    with process(message(headers)):
        assert here().is_valid
    assert finished()[0].parent is None


def test_links_are_limited_by_the_sdk(use_provider: UseProvider, exporter: Any) -> None:
    use_provider(span_limits=SpanLimits(max_links=1, max_span_attributes=2))
    with attached(ambient()), process(message()):
        pass
    (span,) = exporter.get_finished_spans()
    assert (len(span.links), len(span.attributes)) == (1, 2)


def test_an_unsampled_message_makes_no_span_and_stays_in_its_trace(finished: Finished) -> None:
    with process(message([("traceparent", UNSAMPLED)])) as span:
        assert here().trace_id == creation().trace_id
        assert here().span_id != creation().span_id
        assert not span.is_recording()
    assert finished() == ()


class WithoutText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


ERRORS = [ValueError("no"), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), WithoutText()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_marks_the_span_once_and_passes_untouched(error: BaseException, finished: Finished) -> None:
    before, arguments = get_current(), error.args
    with pytest.raises(type(error)) as raised, process(message()):
        raise error
    (span,) = finished()
    assert raised.value is error
    assert (error.args, error.__context__, error.__cause__) == (arguments, None, None)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"].rpartition(".")[2] == type(error).__name__
    assert get_current() is before


@pytest.mark.parametrize("error", ERRORS[:4], ids=lambda error: type(error).__name__)
def test_an_error_is_recorded_once(error: BaseException, finished: Finished) -> None:
    one = message()
    with pytest.raises(type(error)), process(one), process(one):
        raise error
    (span,) = finished()
    assert [event.name for event in span.events] == ["exception"]


def test_the_status_says_what_went_wrong(finished: Finished) -> None:
    with pytest.raises(ValueError, match="no"), process(message()):
        raise ValueError("no")
    assert finished()[0].status.description == "ValueError: no"


def test_a_generator_that_is_left_is_no_error(finished: Finished) -> None:
    def handled() -> Any:
        with process(message()):
            yield

    before, generator = get_current(), handled()
    next(generator)
    generator.close()
    (span,) = finished()
    assert (span.status.status_code, span.events, get_current()) == (StatusCode.UNSET, (), before)


def test_a_loop_left_by_break_is_no_error(finished: Finished) -> None:
    before = get_current()
    for _ in range(2):
        with process(message()):
            break
    assert finished()[0].status.status_code is StatusCode.UNSET
    assert get_current() is before


def test_an_error_that_the_handler_catches_is_none(finished: Finished) -> None:
    with process(message()):
        try:
            raise ValueError
        except ValueError:
            pass
    assert finished()[0].status.status_code is StatusCode.UNSET


def test_a_thousand_headers_and_a_mebibyte_are_read(finished: Finished) -> None:
    headers = [(f"h{index}", b"x") for index in range(1000)]
    with process(message([*headers, ("big", b"x" * 2**20), ("traceparent", TRACEPARENT)])):
        assert here().trace_id == creation().trace_id


def beside(headers: Sequence[tuple[str, bytes]]) -> Callable[[Any, bool], Origin]:
    """What tells a context that comes beside the headers."""
    return lambda message, known: extract_origin(headers)


def test_without_a_context_in_the_headers_what_came_beside_them_is_the_parent(
    finished: Finished, alter: Callable[..., None]
) -> None:
    alter(message(), sidecar_context=beside([("traceparent", OTHER), ("baggage", b"a=1")]))
    with process(message(None)):
        assert baggage.get_all() == {"a": "1"}
    assert ids(finished()[0].parent) == ids(creation([("traceparent", OTHER)]))


def test_with_a_context_in_the_headers_what_came_beside_them_is_a_link(
    finished: Finished, alter: Callable[..., None]
) -> None:
    alter(message(), sidecar_context=beside([("traceparent", OTHER)]))
    with process(message()):
        pass
    assert ids(finished()[0].parent) == ids(creation())
    assert linked(finished()[0]) == [ids(creation()), ids(creation([("traceparent", OTHER)]))]


def test_the_same_context_beside_the_headers_is_no_second_link(finished: Finished, alter: Callable[..., None]) -> None:
    alter(message(), sidecar_context=beside(list(TRACED)))
    with process(message()):
        pass
    assert linked(finished()[0]) == [ids(creation())]


@pytest.mark.parametrize("headers", [None, TRACED, [*TRACED, ("baggage", b"a=1")]])
def test_what_came_beside_the_headers_is_read_once(alter: Callable[..., None], headers: Any) -> None:
    asked: list[bool] = []

    def told(message: Any, known: bool) -> Origin:
        asked.append(known)
        return extract_origin([("traceparent", OTHER)])

    alter(message(), sidecar_context=told)
    with process(message(headers)):
        pass
    assert asked == [headers is not None]


def test_nothing_beside_the_headers_changes_nothing(finished: Finished, alter: Callable[..., None]) -> None:
    alter(message(), sidecar_context=lambda message, known: None)
    with process(message()):
        pass
    assert linked(finished()[0]) == [ids(creation())]


def test_where_the_destination_is_not_known_the_span_is_called_process(
    finished: Finished, alter: Callable[..., None]
) -> None:
    alter(message(), attributes=lambda one: {"messaging.operation.name": "process"})
    with process(message()):
        pass
    assert finished()[0].name == "process"
