"""`settle`: messages acknowledged, rejected or deleted, one CLIENT span tied to the process spans."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.messaging.telemetry import OTHER, UNSAMPLED, Finished, attributes, counts, ids, linked, message, points
from unbroken import process
from unbroken.errors import OpenTwice
from unbroken.messaging import receipts
from unbroken.messaging.settle import settle

QUEUE = {"messaging.system": "rabbitmq", "messaging.destination.name": "orders"}


@pytest.fixture(autouse=True)
def receipts_are_offsets(alter: Callable[..., None]) -> Iterator[None]:
    """The messages of these tests are settled by their offsets; nothing is remembered of other tests."""
    alter(message(), receipt=offset_of)
    forget_all()
    yield
    forget_all()


def forget_all() -> None:
    for offset in range(receipts.MAX_REMEMBERED + 10):
        receipts.recall(offset)


def offset_of(one: Any) -> int:
    """The offset of a message of confluent-kafka, or of the record that stands for it with the oldest."""
    offset: int = one.offset() if callable(one.offset) else one.offset
    return offset


def named(finished: Finished, name: str) -> ReadableSpan:
    (span,) = [span for span in finished() if span.name == name]
    return span


def acknowledge(*offsets: int) -> None:
    with settle("ack", offsets, QUEUE):
        pass


def test_a_settlement_is_one_client_span_with_the_names_of_the_conventions(finished: Finished) -> None:
    with process(message()):
        acknowledge(7)
    span = named(finished, "ack orders")
    assert span.kind is SpanKind.CLIENT
    assert attributes(span) == {
        **QUEUE,
        "messaging.operation.name": "ack",
        "messaging.operation.type": "settle",
    }


def test_inside_the_block_it_is_a_child_of_the_process_span(finished: Finished) -> None:
    with process(message()):
        acknowledge(7)
    assert ids(named(finished, "ack orders").parent) == ids(named(finished, "process orders").context)


def test_inside_a_span_of_the_handler_it_is_a_child_of_that(finished: Finished) -> None:
    with process(message()), trace.get_tracer("test").start_as_current_span("handler"):
        acknowledge(7)
    assert ids(named(finished, "ack orders").parent) == ids(named(finished, "handler").context)


def test_after_the_block_it_is_a_child_of_the_process_span(finished: Finished) -> None:
    with process(message()):
        pass
    acknowledge(7)
    assert ids(named(finished, "ack orders").parent) == ids(named(finished, "process orders").context)


def test_in_the_block_of_another_message_it_is_a_child_of_its_own(finished: Finished) -> None:
    with process(message(offset=1)) as own:
        pass
    with process(message([("traceparent", OTHER)], offset=2)):
        acknowledge(1)
    assert ids(named(finished, "ack orders").parent) == ids(own.get_span_context())


def test_several_messages_are_one_span_that_links_their_process_spans(finished: Finished) -> None:
    for offset in (1, 2, 3):
        with process(message(offset=offset)):
            pass
    with trace.get_tracer("test").start_as_current_span("loop"):
        acknowledge(1, 2, 3)
    span = named(finished, "ack orders")
    processed = [ids(one.context) for one in finished() if one.name == "process orders"]
    assert ids(span.parent) == ids(named(finished, "loop").context)
    assert linked(span) == processed
    assert attributes(span)["messaging.batch.message_count"] == 3


def test_a_message_that_nobody_processed_is_settled_in_the_span_around(finished: Finished) -> None:
    with trace.get_tracer("test").start_as_current_span("loop"):
        acknowledge(7)
    assert ids(named(finished, "ack orders").parent) == ids(named(finished, "loop").context)


def test_of_a_message_of_which_nothing_is_known_there_is_no_span(finished: Finished) -> None:
    acknowledge(7)
    assert finished() == ()


def test_a_message_that_was_settled_in_its_block_is_not_remembered(finished: Finished) -> None:
    with process(message()):
        acknowledge(7)
    assert receipts.recall(7) is None


def test_what_is_never_settled_makes_room(finished: Finished) -> None:
    offsets = range(receipts.MAX_REMEMBERED + 10)
    for offset in offsets:
        receipts.remember(offset, trace.INVALID_SPAN_CONTEXT, "orders")
    known = [offset for offset in offsets if receipts.recall(offset) is not None]
    assert known == list(offsets[10:])


def test_where_the_policy_has_no_settle_spans_nothing_is_remembered(
    finished: Finished, use_policy: Callable[..., None]
) -> None:
    use_policy(settle=False)
    with process(message()):
        pass
    assert receipts.recall(7) is None


def test_the_receipts_of_a_channel_are_found_up_to_a_tag() -> None:
    for channel in ("one", "other"):
        for tag in (3, 1, 2, 2):
            receipts.remember(receipts.ChannelReceipt(channel, tag), trace.INVALID_SPAN_CONTEXT, "orders")
    assert receipts.remembered_up_to("one", 2) == [("one", 1), ("one", 2)]
    assert receipts.recall(receipts.ChannelReceipt("one", 1)) is not None
    assert receipts.remembered_up_to("one", 0) == [("one", 2), ("one", 3)]
    for channel in ("one", "other"):
        for receipt in receipts.remembered_up_to(channel, 0):
            receipts.recall(receipt)
        assert receipts.remembered_up_to(channel, 0) == []


def test_the_receipts_of_a_channel_make_room_too() -> None:
    for tag in range(1, receipts.MAX_REMEMBERED + 11):
        receipts.remember(receipts.ChannelReceipt("one", tag), trace.INVALID_SPAN_CONTEXT, "orders")
    found = receipts.remembered_up_to("one", 0)
    assert [receipt.tag for receipt in found] == list(range(11, receipts.MAX_REMEMBERED + 11))
    for receipt in found:
        receipts.recall(receipt)


def test_threads_that_remember_and_recall_lose_no_receipt_of_another() -> None:
    def work(channel: int) -> int:
        found = 0
        for tag in range(1, 500):
            receipts.remember(receipts.ChannelReceipt(channel, tag), trace.INVALID_SPAN_CONTEXT, "orders")
            if not tag % 10:
                batch = receipts.remembered_up_to(channel, tag)
                found += sum(receipts.recall(receipt) is not None for receipt in batch)
        return found + sum(receipts.recall(receipt) is not None for receipt in receipts.remembered_up_to(channel, 0))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [499] * 8


def test_an_unsampled_message_is_settled_without_a_span(finished: Finished) -> None:
    with process(message([("traceparent", UNSAMPLED)])):
        acknowledge(7)
    assert finished() == ()


def test_the_policy_switches_it_off(finished: Finished, use_policy: Callable[..., None]) -> None:
    use_policy(settle=False)
    with process(message()):
        acknowledge(7)
    assert [span.name for span in finished()] == ["process orders"]


@pytest.mark.parametrize(("only", "count"), [("orders", 1), ("other", 0)])
def test_the_policy_covers_the_settlement_of_what_it_covers(
    finished: Finished, use_policy: Callable[..., None], only: str, count: int
) -> None:
    use_policy(only=(only,))
    with process(message()):
        pass
    with settle("ack", [7], {"messaging.system": "rabbitmq"}):
        pass
    assert [span.name for span in finished()].count("ack") == count


def test_with_a_selective_policy_a_message_of_which_nothing_is_known_is_settled_without_a_span(
    finished: Finished, use_policy: Callable[..., None]
) -> None:
    use_policy(ignore=("orders",))
    with trace.get_tracer("test").start_as_current_span("batch"), settle("ack", [7], {"messaging.system": "rabbitmq"}):
        pass
    assert [span.name for span in finished()] == ["batch"]


@pytest.mark.parametrize("rules", [{"spans": False}, {"ignore": ("orders",)}])
def test_where_messages_make_no_spans_their_settlement_makes_none(
    finished: Finished, use_policy: Callable[..., None], rules: dict[str, Any]
) -> None:
    use_policy(**rules)
    with trace.get_tracer("test").start_as_current_span("loop"):
        acknowledge(7)
    assert [span.name for span in finished()] == ["loop"]


def test_suppressed_instrumentation_makes_no_span(finished: Finished) -> None:
    with process(message()), suppress_instrumentation():
        acknowledge(7)
    assert [span.name for span in finished()] == ["process orders"]


def test_an_error_of_the_client_marks_the_span_and_passes(finished: Finished) -> None:
    with process(message()), pytest.raises(ConnectionError), settle("ack", [7], QUEUE):
        raise ConnectionError("closed")
    span = named(finished, "ack orders")
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "ConnectionError")


def test_an_error_code_of_the_broker_marks_the_span(finished: Finished) -> None:
    with process(message()), settle("delete", [7], QUEUE) as settling:
        settling.end("ReceiptHandleIsInvalid")
    span = named(finished, "delete orders")
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "ReceiptHandleIsInvalid")


def test_the_context_is_as_it_was(finished: Finished) -> None:
    with process(message()):
        before = get_current()
        acknowledge(7)
        assert get_current() is before


def test_a_settlement_is_timed(reader: InMemoryMetricReader) -> None:
    acknowledge(7)
    assert counts(reader, "messaging.client.operation.duration") == [1]


def test_a_block_cannot_be_entered_twice(finished: Finished) -> None:
    with process(message()), settle("ack", [7], QUEUE) as block, pytest.raises(OpenTwice):
        block.__enter__()


def test_a_receipt_that_cannot_be_had_costs_nothing(finished: Finished, alter: Callable[..., None]) -> None:
    def broken(one: object) -> int:
        raise RuntimeError("no receipt")

    alter(message(), receipt=broken)
    with process(message()):
        acknowledge(7)
    assert [span.name for span in finished()] == ["process orders"]


def test_what_only_touches_a_message_leaves_its_settlement_to_come(finished: Finished) -> None:
    with process(message()):
        pass
    for operation in ("change_visibility", "delete"):
        with settle(operation, [7], QUEUE, is_final=operation == "delete"):
            pass
    spans = [named(finished, f"{operation} orders") for operation in ("change_visibility", "delete")]
    assert [ids(span.parent) for span in spans] == [ids(named(finished, "process orders").context)] * 2


def test_what_only_touches_a_message_in_its_block_leaves_its_settlement_to_come(finished: Finished) -> None:
    with process(message()), settle("change_visibility", [7], QUEUE, is_final=False):
        pass
    acknowledge(7)
    assert ids(named(finished, "ack orders").parent) == ids(named(finished, "process orders").context)


def test_an_operation_that_began_before_the_block_is_told_from_then(
    finished: Finished, reader: InMemoryMetricReader
) -> None:
    began = time.time_ns() - 2_000_000_000
    with process(message()), settle("ack", [7], QUEUE, start_time=began):
        pass
    assert named(finished, "ack orders").start_time == began
    ((_, point),) = points(reader, "messaging.client.operation.duration")
    assert point.sum >= 2
