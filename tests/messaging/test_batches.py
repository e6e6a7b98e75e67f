"""The messages of a batch under zero code: each is current in its turn, and the batch is still a list."""

import asyncio
import copy
import gc
import json
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import TRACED, Finished, counts, fact, here, ids, message, points
from unbroken import forward, inject, process, receive
from unbroken.messaging.batches import MessageBatch
from unbroken.messaging.polled import PollScope, PollSwitch

PARENTS = [(("traceparent", b"00-%032x-%016x-01" % (number, number)),) for number in range(1, 11)]
TRACES = list(range(1, 11))


@pytest.fixture
def polled(polling: PollSwitch) -> PollScope:
    """The scope of one consumer."""
    return PollScope(polling)


@pytest.fixture
def batch(polled: PollScope) -> list[Any]:
    """Ten messages of ten traces, as an instrumented consumer gives them."""
    return polled.hand_out([message(headers) for headers in PARENTS])


def handle(_: object = None) -> int:
    """Handle one message, in a span of the application's own; return its trace."""
    with trace.get_tracer("application").start_as_current_span("handle") as span:
        return span.get_span_context().trace_id


def processed(finished: Finished) -> list[int]:
    """The traces of the process spans that have ended, in order."""
    return [span.context.trace_id for span in finished() if span.kind is SpanKind.CONSUMER and span.context]


def test_each_handler_is_in_the_trace_of_its_own_producer(batch: list[Any], finished: Finished) -> None:
    assert [handle(one) for one in batch] == TRACES
    assert processed(finished) == TRACES
    assert all(ids(span.parent)[1] in TRACES for span in finished() if span.kind is SpanKind.CONSUMER)


def test_the_context_after_the_loop_is_what_it_was(batch: list[Any], finished: Finished) -> None:
    before = otel_context.get_current()
    for _ in batch:
        handle()
    assert otel_context.get_current() is before


def test_the_context_after_a_break_is_what_it_was(batch: list[Any], finished: Finished) -> None:
    before = otel_context.get_current()
    for _ in batch:
        handle()
        break
    assert otel_context.get_current() is before
    assert processed(finished) == TRACES[:1]


def test_the_context_after_an_exception_is_what_it_was(batch: list[Any], finished: Finished) -> None:
    before = otel_context.get_current()

    def fail() -> None:
        for _ in batch:
            handle()
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert otel_context.get_current() is before


def test_a_pass_that_only_looks_makes_no_span(batch: list[Any], finished: Finished) -> None:
    assert [fact(one, "value") for one in batch] == [b"v"] * 10
    assert len(list(batch)) == len(sorted(batch, key=id)) == 10
    assert sum(1 for _ in batch) == 10
    assert finished() == ()


def test_two_passes_make_one_span_of_each_message(batch: list[Any], finished: Finished) -> None:
    assert [fact(one, "topic") for one in batch] == ["orders"] * 10
    assert [handle(one) for one in batch] == TRACES
    assert [handle(one) for one in batch] == TRACES
    assert processed(finished) == TRACES


def test_the_baggage_of_each_message_is_current_in_each_pass(polled: PollScope, finished: Finished) -> None:
    batch = polled.hand_out([message([*TRACED, ("baggage", b"a=%d" % number)]) for number in range(2)])
    for _ in range(2):
        assert [baggage.get_baggage("a") for _ in batch] == ["0", "1"]


def test_a_message_that_is_sent_in_a_turn_is_in_its_trace(batch: list[Any], finished: Finished) -> None:
    carried = [dict(inject([("a", b"1")]))["traceparent"][3:35] for _ in batch]
    assert carried == [b"%032x" % number for number in TRACES]
    assert [dict(forward(one))["traceparent"][3:35] for one in batch] == carried


def test_a_slice_and_a_copy_are_batches_too(batch: list[Any], finished: Finished) -> None:
    assert [handle(one) for one in batch[2:8:2]] == TRACES[2:8:2]
    assert [handle(one) for one in batch.copy()[8:]] == TRACES[8:]
    assert [handle(one) for one in copy.copy(batch)[:1]] == TRACES[:1]
    assert otel_context.get_current() == {}


def test_what_holds_for_a_list_holds_for_a_batch(polled: PollScope) -> None:
    plain = [message(headers) for headers in PARENTS]
    batch = polled.hand_out(list(plain))
    assert isinstance(batch, list)
    assert batch == plain
    assert (batch + plain, plain + batch, batch * 2) == (plain + plain, plain + plain, plain * 2)
    assert (list(batch), [*batch], tuple(batch), list(reversed(batch))) == (plain, plain, tuple(plain), plain[::-1])
    assert (batch.index(plain[3]), plain[3] in batch, len(batch), bool(batch)) == (3, True, 10, True)
    assert repr(batch) == repr(plain)
    assert [*zip(batch, range(3), strict=False)] == [*zip(plain, range(3), strict=False)]
    assert batch.pop() is plain.pop()
    assert batch == plain


def test_json_and_pickle_of_a_batch_are_those_of_a_list(finished: Finished) -> None:
    batch = MessageBatch([{"a": 1}, {"b": 2}], ())
    assert json.dumps(batch) == '[{"a": 1}, {"b": 2}]'
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(batch, protocol))
        assert (type(loaded), loaded) == (list, [{"a": 1}, {"b": 2}])
    assert (type(copy.deepcopy(batch)), copy.deepcopy(batch)) == (list, [{"a": 1}, {"b": 2}])


@given(st.lists(st.sampled_from(["next", "append", "pop", "insert", "clear"]), max_size=12))
def test_a_list_that_changes_in_a_pass_gives_what_a_list_gives(steps: list[str]) -> None:
    plain, batch = [1, 2, 3], MessageBatch([1, 2, 3], ())
    passes: tuple[Iterator[int], Iterator[int]] = iter(plain), iter(batch)
    for step in steps:
        if step == "next":
            assert next(passes[0], None) == next(passes[1], None)
            continue
        for one in (plain, batch):
            if step == "append":
                one.append(4)
            elif step == "insert":
                one.insert(0, 5)
            elif step == "clear":
                one.clear()
            elif one:
                one.pop()
    assert list(passes[0]) == list(passes[1])


def test_the_next_poll_ends_a_turn_that_is_still_open(batch: list[Any], polled: PollScope, finished: Finished) -> None:
    before = otel_context.get_current()
    turns = iter(batch)
    next(turns)
    handle()
    polled.leave()
    assert otel_context.get_current() is before
    assert processed(finished) == TRACES[:1]
    del turns


def test_a_poll_leaves_a_batch_alone_that_another_thread_handles(
    batch: list[Any], polled: PollScope, finished: Finished
) -> None:
    is_open, has_polled, seen = threading.Event(), threading.Event(), []

    def work() -> None:
        for _ in batch:
            is_open.set()
            has_polled.wait()
            seen.append(handle())

    worker = threading.Thread(target=work)
    worker.start()
    is_open.wait()
    polled.leave()
    has_polled.set()
    worker.join()
    assert seen == TRACES
    assert processed(finished) == TRACES


def test_process_in_a_turn_is_the_one_span_of_its_message(batch: list[Any], finished: Finished) -> None:
    for one in batch:
        with process(one):
            handle()
    assert processed(finished) == TRACES


def test_process_in_a_pool_is_the_one_span_of_its_message(
    batch: list[Any], polled: PollScope, finished: Finished
) -> None:
    def work(one: object) -> int:
        with process(one):
            return handle()

    go_on = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go_on.wait)  # all of it runs after the poll
        results = [pool.submit(work, one) for one in batch]
        polled.leave()
        go_on.set()
    assert [result.result() for result in results] == TRACES
    assert processed(finished) == TRACES


def test_the_error_of_process_is_on_the_one_span(batch: list[Any], finished: Finished) -> None:
    def fail() -> None:
        for one in batch:
            with process(one):
                raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert [span.status.description for span in finished()] == ["ValueError: no"]


async def test_tasks_that_are_made_in_the_turns_are_in_the_traces_of_their_messages(
    batch: list[Any], finished: Finished
) -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return handle()

    assert await asyncio.gather(*[asyncio.create_task(work()) for _ in batch]) == TRACES
    assert sorted(processed(finished)) == TRACES


def test_a_span_that_starts_after_its_turn_has_the_times_of_the_turn(batch: list[Any], finished: Finished) -> None:
    contexts = [otel_context.get_current() for _ in batch]
    trace.get_tracer("application").start_span("late", contexts[3]).end()
    process_span, late = finished()
    assert (process_span.name, late.parent) == ("process orders", process_span.context)
    assert (process_span.end_time or 0) <= (late.start_time or 0)


def test_a_batch_is_consumed_once(polling: PollSwitch, reader: InMemoryMetricReader) -> None:
    polled = PollScope(polling)
    messages = [message(headers) for headers in PARENTS]
    with receive(messages):
        pass
    for one in polled.hand_out(messages):
        with process(one):
            pass
    assert sum(counts(reader, "messaging.client.consumed.messages")) == 10
    assert counts(reader, "messaging.process.duration") == [10]


class Reads(SpanProcessor):
    """A processor that looks at the current span when another one starts."""

    def __init__(self) -> None:
        self.seen: list[bool] = []

    def on_start(self, span: object, parent_context: object = None) -> None:
        self.seen.append(trace.get_current_span().get_span_context().is_valid)


def test_a_processor_may_use_the_current_span_while_it_starts(polled: PollScope, use_provider: UseProvider) -> None:
    provider, reads = use_provider(), Reads()
    provider.add_span_processor(reads)
    batch = polled.hand_out([message(PARENTS[0])])
    assert [handle(one) for one in batch] == TRACES[:1]
    assert reads.seen == [False, True]  # of the process span itself, then of the handler's


def test_a_turn_that_is_used_is_timed(batch: list[Any], finished: Finished, reader: InMemoryMetricReader) -> None:
    for one in batch[:3]:
        assert one
        handle()
    assert [point.count for _, point in points(reader, "messaging.process.duration")] == [3]


def test_a_batch_that_nobody_looks_at_costs_nothing(
    polled: PollScope, finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    batch = polled.hand_out([message(headers) for headers in PARENTS])
    assert len(batch) == 10
    del batch
    polled.leave()
    gc.collect()
    assert (finished(), caplog.text) == ((), "")


def test_a_batch_is_gone_with_the_next_calls(polled: PollScope, finished: Finished) -> None:
    batch = polled.hand_out([message(headers) for headers in PARENTS])
    kept = [id(one) for one in batch]
    del batch
    polled.leave()
    gc.collect()
    assert not [one for one in gc.get_objects() if id(one) in kept and hasattr(one, "topic")]


def test_messages_that_nobody_knows_are_handed_out(
    polled: PollScope, finished: Finished, caplog: pytest.LogCaptureFixture
) -> None:
    batch = polled.hand_out([message(PARENTS[0]), object(), None])
    assert [handle() == 1 for _ in batch] == [True, False, False]
    assert caplog.text == ""


def test_without_an_sdk_the_context_of_each_message_is_current(
    batch: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [here().trace_id for _ in batch] == TRACES


def test_unsampled_messages_stay_unsampled(polled: PollScope, finished: Finished) -> None:
    batch = polled.hand_out([message([("traceparent", b"00-%032x-%016x-00" % (1, 1))])])
    assert [handle() for _ in batch] == [1]
    assert finished() == ()


def test_consumers_of_the_example_take_turns(polling: PollSwitch, finished: Finished) -> None:
    one, other = PollScope(polling), PollScope(polling)
    first = one.hand_out([message(headers) for headers in PARENTS[:2]])
    second = other.hand_out([message(headers) for headers in PARENTS[2:4]])
    seen: list[int] = []
    for _ in first:
        seen += [handle() for _ in second]
        seen.append(handle())
    assert seen == [3, 4, 1, 3, 4, 2]
    assert sorted(processed(finished)) == [1, 2, 3, 4]
    assert otel_context.get_current() == {}
