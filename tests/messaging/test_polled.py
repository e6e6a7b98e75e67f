"""The scope of a polled record: whoever leaves first and wherever, the context afterwards is the application's."""

import gc
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Tracer

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import TRACED, Finished, counts, creation, here, ids, linked, message, points
from unbroken import process
from unbroken.messaging import handed_out
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.scope import MessageScope

SECOND = (("traceparent", b"00-" + b"3" * 32 + b"-" + b"4" * 16 + b"-01"),)


@pytest.fixture
def tracer(use_provider: UseProvider) -> Tracer:
    return use_provider().get_tracer("application")


def blocks_alive() -> int:
    """How many blocks of messages there are in the process, those of other tests too."""
    gc.collect()
    return sum(isinstance(one, MessageScope) for one in gc.get_objects())


def elsewhere(call: Callable[..., Any], *args: Any) -> None:
    """Run in another thread, with a context of its own."""
    thread = threading.Thread(target=call, args=args)
    thread.start()
    thread.join()


def test_the_span_of_the_record_is_current_until_the_next_call(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    assert here().trace_id == creation().trace_id
    assert finished() == ()
    polled.leave()
    (span,) = finished()
    assert ids(span.parent) == ids(creation())


def test_what_the_consumer_knows_is_on_the_span(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling, {"messaging.consumer.group.name": "payments"})
    polled.enter(message())
    polled.leave()
    assert (finished()[0].attributes or {})["messaging.consumer.group.name"] == "payments"


def test_entering_the_next_record_ends_the_one_before(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    polled.enter(message(SECOND))
    assert [ids(span.parent) for span in finished()] == [ids(creation())]
    assert here().trace_id == creation(SECOND).trace_id
    polled.leave()


def test_the_record_before_gives_no_link(polling: PollSwitch, finished: Finished) -> None:
    first, second = PollScope(polling), PollScope(polling)
    first.enter(message())
    second.enter(message(SECOND))
    second.leave()
    first.leave()
    assert [linked(span) for span in finished()] == [[ids(creation(SECOND))], [ids(creation())]]


def test_what_the_application_opened_over_another_record_is_a_link(
    polling: PollSwitch, tracer: Tracer, finished: Finished
) -> None:
    first, second = PollScope(polling), PollScope(polling)
    first.enter(message())
    with tracer.start_as_current_span("block") as block:
        inside = otel_context.get_current()
        second.enter(message(SECOND))
        second.leave()
        assert otel_context.get_current() is inside
    first.leave()
    assert linked(finished()[0]) == [ids(creation(SECOND)), ids(block.get_span_context())]


def test_process_of_the_polled_record_is_the_same_scope(polling: PollSwitch, finished: Finished) -> None:
    one = message()
    polled = PollScope(polling)
    polled.enter(one)
    with process(one) as span:
        assert span.get_span_context() is here()
    polled.leave()
    assert len(finished()) == 1


def test_the_error_of_a_block_in_the_same_scope_is_on_the_span(polling: PollSwitch, finished: Finished) -> None:
    one = message()
    polled = PollScope(polling)
    polled.enter(one)
    with pytest.raises(ValueError, match="no"), process(one):
        raise ValueError("no")
    assert finished() == ()
    polled.leave()
    assert [span.status.description for span in finished()] == ["ValueError: no"]


def test_process_in_another_thread_takes_the_span_of_the_record_over(polling: PollSwitch, finished: Finished) -> None:
    record, is_open, is_left = message(), threading.Event(), threading.Event()

    def work() -> tuple[int, int]:
        with process(record):
            is_open.set()
            is_left.wait()
            return here().trace_id, len(finished())

    polled = PollScope(polling)
    polled.enter(record)
    with ThreadPoolExecutor(1) as threads:
        worked = threads.submit(work)
        is_open.wait()
        polled.leave()  # the loop goes on while the record is worked on
        is_left.set()
    assert worked.result() == (creation().trace_id, 0)
    assert [span.name for span in finished()] == ["process orders"]


def test_the_error_of_the_block_that_took_it_over_is_on_the_span(polling: PollSwitch, finished: Finished) -> None:
    record = message()

    def work() -> None:
        with pytest.raises(ValueError, match="no"), process(record):
            raise ValueError("no")

    polled = PollScope(polling)
    polled.enter(record)
    elsewhere(work)
    polled.leave()
    assert [span.status.description for span in finished()] == ["ValueError: no"]


def test_the_baggage_of_the_record_is_in_the_block_that_took_it_over(polling: PollSwitch, finished: Finished) -> None:
    record, seen = message([*TRACED, ("baggage", b"a=1")]), []

    def work() -> None:
        with process(record):
            seen.append(baggage.get_all())

    polled = PollScope(polling)
    polled.enter(record)
    elsewhere(work)
    polled.leave()
    assert [dict(found) for found in seen] == [{"a": "1"}]


def test_a_record_that_was_taken_over_and_counted_is_counted_once(
    polling: PollSwitch, reader: InMemoryMetricReader
) -> None:
    record = message()

    def work() -> None:
        with process(record):
            pass

    polled = PollScope(polling)
    polled.enter(record)
    elsewhere(work)
    polled.leave()
    assert counts(reader, "messaging.process.duration") == [1]


def test_the_error_of_a_block_in_the_same_scope_is_on_the_duration(
    polling: PollSwitch, reader: InMemoryMetricReader
) -> None:
    one = message()
    polled = PollScope(polling)
    polled.enter(one)
    with pytest.raises(ValueError, match="no"), process(one):
        raise ValueError("no")
    polled.leave()
    assert [told["error.type"] for told, _ in points(reader, "messaging.process.duration")] == ["ValueError"]


def test_nothing_is_held_when_the_record_is_over(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    polled.leave()
    assert handed_out._scopes == {}


def test_nothing_becomes_current_where_instrumentation_is_suppressed(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    with suppress_instrumentation():
        polled.enter(message())
        assert not here().is_valid
        polled.leave()
    assert finished() == ()


def test_suppression_over_the_record_before_holds_for_the_next(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    with suppress_instrumentation():
        polled.leave()
        polled.enter(message(SECOND))
    polled.leave()
    assert len(finished()) == 1
    assert otel_context.get_current() == {}


def test_leaving_in_another_thread_ends_the_span(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    elsewhere(polled.leave)
    assert len(finished()) == 1
    polled.leave()


def test_leaving_in_another_thread_leaves_the_context_there_alone(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    ambient = baggage.set_baggage("its", "own", Context())
    seen: list[Context] = []

    def close() -> None:
        otel_context.attach(ambient)
        polled.leave()
        seen.append(otel_context.get_current())

    elsewhere(close)
    assert seen[0] is ambient
    polled.leave()


def test_a_scope_that_another_thread_closed_is_gone_at_the_next_call(polling: PollSwitch, finished: Finished) -> None:
    ambient = otel_context.get_current()
    polled = PollScope(polling)
    polled.enter(message())
    elsewhere(polled.leave)
    polled.enter(message(SECOND))
    polled.leave()
    assert otel_context.get_current() is ambient
    assert linked(finished()[1]) == [ids(creation(SECOND))]


def test_a_block_that_outlives_the_record_keeps_its_own_context(
    polling: PollSwitch, tracer: Tracer, finished: Finished
) -> None:
    ambient = otel_context.get_current()
    polled = PollScope(polling)
    polled.enter(message())
    with tracer.start_as_current_span("block") as block:
        polled.leave()
        assert here() is block.get_span_context()
        polled.enter(message(SECOND))
        polled.leave()
        assert here() is block.get_span_context()
    polled.leave()
    assert otel_context.get_current() is ambient


def test_a_context_that_the_application_forgot_to_detach_goes_with_the_record(
    polling: PollSwitch, tracer: Tracer, finished: Finished
) -> None:
    ambient = otel_context.get_current()
    polled = PollScope(polling)
    polled.enter(message())
    otel_context.attach(baggage.set_baggage("forgotten", "1"))
    polled.leave()
    assert otel_context.get_current() is ambient


def test_consumers_that_take_turns_keep_one_record_each(polling: PollSwitch, finished: Finished) -> None:
    consumers = [PollScope(polling), PollScope(polling), PollScope(polling)]
    before = blocks_alive()
    for turn in range(12):
        consumers[turn % 3].enter(message())
    assert blocks_alive() - before == 3
    for polled in consumers:
        polled.leave()


def test_a_consumer_that_is_abandoned_ends_its_span(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    del polled
    assert len(finished()) == 1
    assert not here().is_valid


def test_a_consumer_that_is_collected_leaves_a_block_of_the_application_alone(
    polling: PollSwitch, tracer: Tracer, finished: Finished
) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    with tracer.start_as_current_span("block") as block:
        del polled
        assert here() is block.get_span_context()
    PollScope(polling).leave()


def test_switching_off_ends_what_is_open_and_opens_nothing_more(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(message())
    polling.stop()
    assert len(finished()) == 1
    polled.enter(message())
    assert not here().is_valid


def test_what_a_message_holds_never_raises(polling: PollSwitch, finished: Finished) -> None:
    polled = PollScope(polling)
    polled.enter(object())
    polled.leave()
    assert finished() == ()


def test_a_span_that_is_open_at_the_end_of_the_program_is_exported() -> None:
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from tests.messaging.telemetry import message
from unbroken.messaging.polled import PollScope, PollSwitch

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name)))
trace.set_tracer_provider(provider)
polling = PollSwitch()
polling.start()
polled = PollScope(polling)
polled.enter(message(topic="at-exit"))
"""
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout == "process at-exit"


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")


@forks
def test_a_span_that_is_open_at_a_fork_is_ended_by_the_parent_alone() -> None:
    program = """
import os, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from tests.messaging.telemetry import message
from unbroken.messaging.polled import PollScope, PollSwitch

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + os.linesep)))
trace.set_tracer_provider(provider)
polling = PollSwitch()
polling.start()
polled = PollScope(polling)
polled.enter(message(topic="before"))
child = os.fork()
if child == 0:
    polled.enter(message(topic="in-child"))
    sys.exit()
os.waitpid(child, 0)
"""
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout.splitlines() == ["process in-child", "process before"]


@forks
def test_a_fork_while_another_thread_notes_a_consumer_does_not_stop_the_child() -> None:
    program = """
import os
from unbroken.messaging.polled import PollSwitch

polling = PollSwitch()
with polling._adding:
    child = os.fork()
    if child == 0:
        os._exit(0 if polling._adding.acquire(blocking=False) else 1)
print(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
"""
    answer = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout.strip() == "0"


class Ends(SpanProcessor):
    """How often each span has ended."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.started: set[int] = set()

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:
        self.started.add(ids(span.get_span_context())[1])

    def on_end(self, span: ReadableSpan) -> None:
        self.counts[ids(span.get_span_context())[1]] += 1


class OwnThread:
    """A thread with one context, in which calls are made one after the other: no pool, whose work is confined."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self._calls.put(lambda: answer.set_result(call(*args)))
        return answer

    def shutdown(self) -> None:
        self._calls.put(None)
        self._thread.join()


class Consumers(RuleBasedStateMachine):
    """Several consumers in several threads, which poll and close in any order.

    The model: each thread has a stack of the records that became current in it; a record that is over leaves every
    stack. A thread that has just made a call sees the top of its stack.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends = Ends()
        provider = TracerProvider()
        provider.add_span_processor(self.ends)
        self.provider = provider
        self.polling = PollSwitch()
        self.polling.start()
        self.consumers: list[PollScope | None] = [PollScope(self.polling) for _ in range(3)]
        self.current: dict[int, int] = {}  # consumer -> span id of its open record
        self.threads = [OwnThread() for _ in range(2)]
        self.bases = [thread.submit(self._based, str(number)).result() for number, thread in enumerate(self.threads)]
        self.stacks: list[list[int]] = [[], []]

    def _based(self, name: str) -> Context:
        base = baggage.set_baggage("thread", name, Context())
        otel_context.attach(base)
        return base

    def _seen(self, thread: int) -> int:
        seen: int = self.threads[thread].submit(lambda: here().span_id).result()
        return seen

    def _over(self, consumer: int) -> None:
        if (span := self.current.pop(consumer, None)) is not None:
            for stack in self.stacks:
                if span in stack:
                    stack.remove(span)

    def _check(self, thread: int) -> None:
        stack = self.stacks[thread]
        assert self._seen(thread) == (stack[-1] if stack else 0)
        if not stack:
            assert self.threads[thread].submit(otel_context.get_current).result() is self.bases[thread]

    @rule(consumer=st.integers(0, 2), thread=st.integers(0, 1), gives=st.booleans())
    def poll(self, consumer: int, thread: int, gives: bool) -> None:
        polled = self.consumers[consumer]
        if polled is None:
            polled = self.consumers[consumer] = PollScope(self.polling)
        self._over(consumer)
        self.threads[thread].submit(polled.leave).result()
        if gives:
            self.threads[thread].submit(polled.enter, message()).result()
            self.current[consumer] = self._seen(thread)
            self.stacks[thread].append(self.current[consumer])
        self._check(thread)

    @rule(consumer=st.integers(0, 2), thread=st.integers(0, 1))
    def close(self, consumer: int, thread: int) -> None:
        polled = self.consumers[consumer]
        if polled is not None:
            self._over(consumer)
            self.threads[thread].submit(polled.leave).result()
            self._check(thread)

    @rule(consumer=st.integers(0, 2))
    def abandon(self, consumer: int) -> None:
        self._over(consumer)
        self.consumers[consumer] = None

    @invariant()
    def every_record_that_is_over_has_ended_once(self) -> None:
        assert all(count == 1 for count in self.ends.counts.values())
        assert self.ends.started - set(self.ends.counts) == set(self.current.values())

    def teardown(self) -> None:
        self.polling.stop()
        self.current.clear()
        self.stacks = [[], []]
        for number, thread in enumerate(self.threads):
            thread.submit(PollScope(self.polling).leave).result()
            self._check(number)
            thread.shutdown()
        self.every_record_that_is_over_has_ended_once()


def test_after_every_order_of_calls_the_context_is_the_application_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace

    class Provided(Consumers):
        def __init__(self) -> None:
            super().__init__()
            monkeypatch.setattr(trace, "_TRACER_PROVIDER", self.provider)

    run_state_machine_as_test(Provided, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
