"""Zero code and pools: one span for each message, whoever handles it, and nothing current in work that did not ask."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanKind

from tests.messaging.telemetry import Finished, counts, here, message, points
from unbroken import process
from unbroken.clients.pools import confine_work, release_work
from unbroken.messaging.polled import PollScope, PollSwitch

COUNT = 30
PARENTS = [(("traceparent", b"00-%032x-%016x-01" % (number, number)),) for number in range(1, COUNT + 1)]
TRACES = list(range(1, COUNT + 1))


@pytest.fixture
def polling() -> Iterator[PollSwitch]:
    """The switch of a client library that is instrumented."""
    polling = PollSwitch()
    polling.start()
    confine_work()
    yield polling
    release_work()
    polling.stop()


class Consumer:
    """A consumer of an instrumented client; its messages are nowhere else."""

    def __init__(self, polling: PollSwitch) -> None:
        self._polled = PollScope(polling)
        self._waiting = [message(headers) for headers in reversed(PARENTS)]

    def poll(self) -> Any:
        self._polled.leave()
        if not self._waiting:
            return None
        message = self._waiting.pop()
        self._polled.enter(message)
        return message

    def close(self) -> None:
        self._polled.leave()


@pytest.fixture
def consumer(polling: PollSwitch) -> Consumer:
    return Consumer(polling)


def work(one: object) -> int:
    with process(one), trace.get_tracer("application").start_as_current_span("work") as span:
        return span.get_span_context().trace_id


def processed(finished: Finished) -> list[int]:
    """The traces of the process spans, in the order of their ends."""
    return [span.context.trace_id for span in finished() if span.kind is SpanKind.CONSUMER and span.context]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_message_that_a_pool_handles_has_one_span(workers: int, consumer: Consumer, finished: Finished) -> None:
    with ThreadPoolExecutor(workers) as pool:
        results = []
        while (one := consumer.poll()) is not None:
            results.append(pool.submit(work, one))
        consumer.close()
    assert [result.result() for result in results] == TRACES
    assert sorted(processed(finished)) == TRACES


def test_a_backlog_that_is_worked_off_after_close_has_one_span_for_each_message(
    consumer: Consumer, finished: Finished
) -> None:
    backlog: queue.SimpleQueue[Any] = queue.SimpleQueue()
    while (one := consumer.poll()) is not None:
        backlog.put(one)
    consumer.close()
    assert [work(backlog.get()) for _ in range(COUNT)] == TRACES
    assert processed(finished) == TRACES


def test_the_span_of_a_message_that_waits_lasts_until_its_block_ends(consumer: Consumer, finished: Finished) -> None:
    backlog: list[Any] = []
    one = None
    for _ in range(3):
        one = consumer.poll()
        backlog.append(one)
    assert finished() == ()
    for waiting in backlog:
        with process(waiting):
            start = len(finished())
        assert len(finished()) == start + (waiting is not one)  # the last one is still the consumer's
    consumer.close()
    assert sorted(processed(finished)) == TRACES[:3]


def test_the_error_of_a_worker_is_on_the_one_span(consumer: Consumer, finished: Finished) -> None:
    def fail(one: object) -> None:
        with pytest.raises(ValueError, match="no"), process(one):
            raise ValueError("no")

    backlog = []
    while (one := consumer.poll()) is not None:
        backlog.append(one)
    consumer.close()
    with ThreadPoolExecutor(2) as pool:
        for waiting in backlog:
            pool.submit(fail, waiting).result()
    assert [span.status.description for span in finished()] == ["ValueError: no"] * COUNT


def test_a_message_that_a_pool_handles_is_counted_and_timed_once(
    consumer: Consumer, reader: InMemoryMetricReader
) -> None:
    with ThreadPoolExecutor(2) as pool:
        while (one := consumer.poll()) is not None:
            pool.submit(work, one)
        consumer.close()
    assert counts(reader, "messaging.client.consumed.messages") == [COUNT]
    assert [point.count for _, point in points(reader, "messaging.process.duration")] == [COUNT]


def test_two_blocks_of_a_record_share_its_span(consumer: Consumer, finished: Finished) -> None:
    one = consumer.poll()
    for _ in range(3):
        with process(one):
            pass
    consumer.close()
    assert processed(finished) == TRACES[:1]


def test_a_message_that_waited_for_nobody_ends_with_the_time_of_the_next_poll(
    consumer: Consumer, finished: Finished
) -> None:
    kept = [consumer.poll()] * 2  # one of them is taken for the variable of a loop
    one = consumer.poll()
    with trace.get_tracer("application").start_as_current_span("marker") as marker:
        assert one is not None
        marker_context = marker.get_span_context()
    assert processed(finished) == []
    kept.clear()
    one = consumer.poll()
    consumer.poll()
    ended = {span.context.trace_id: span for span in finished() if span.kind is SpanKind.CONSUMER and span.context}
    (marked,) = [span for span in finished() if span.context == marker_context]
    assert (ended[1].end_time or 0) <= (marked.start_time or 0)
    consumer.close()


def test_a_message_in_a_variable_ends_at_the_next_poll(consumer: Consumer, finished: Finished) -> None:
    one = consumer.poll()
    consumer.poll()
    assert processed(finished) == TRACES[:1]
    assert one is not None
    consumer.close()


def test_what_waits_at_the_end_of_the_program_is_ended(
    consumer: Consumer, polling: PollSwitch, finished: Finished
) -> None:
    backlog = [one for one in iter(consumer.poll, None)]  # noqa: C416 - a loop variable, as applications have
    consumer.close()
    polling.stop()
    assert sorted(processed(finished)) == TRACES
    assert len(backlog) == COUNT


def seen() -> int:
    """The trace that is current in work that has nothing to do with a message."""
    return here().trace_id


def in_executor(poll: Callable[[], Any]) -> tuple[Any, int]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(poll).result(), pool.submit(seen).result()


def in_nested_function(poll: Callable[[], Any]) -> tuple[Any, int]:
    def fetch() -> Any:
        found = poll()
        assert here().is_valid  # in the work that has polled it is current
        return found

    return in_executor(fetch)


def in_thread_pool(poll: Callable[[], Any]) -> tuple[Any, int]:
    with ThreadPool(1) as pool:
        return pool.apply(poll), pool.apply(seen)


def in_thread_pool_map(poll: Callable[[], Any]) -> tuple[Any, int]:
    with ThreadPool(1) as pool:
        (found,) = pool.map(lambda _: poll(), [0])
        return found, pool.apply_async(func=seen).get()


def in_event_loop(poll: Callable[[], Any]) -> tuple[Any, int]:
    async def main() -> tuple[Any, int]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            found = await loop.run_in_executor(pool, poll)
            assert not here().is_valid
            return found, await loop.run_in_executor(pool, seen)

    return asyncio.run(main())


def in_to_thread(poll: Callable[[], Any]) -> tuple[Any, int]:
    async def main() -> tuple[Any, int]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        return await asyncio.to_thread(poll), await asyncio.to_thread(seen)

    return asyncio.run(main())


@pytest.mark.parametrize(
    "run",
    [in_executor, in_nested_function, in_thread_pool, in_thread_pool_map, in_event_loop, in_to_thread],
)
def test_what_one_piece_of_work_has_polled_is_not_current_in_the_next(
    run: Callable[[Callable[[], Any]], tuple[Any, int]], consumer: Consumer, finished: Finished
) -> None:
    one, trace_id = run(consumer.poll)
    assert (one is not None, trace_id) == (True, 0)
    with process(one):
        pass
    consumer.close()
    assert processed(finished) == TRACES[:1]


def test_a_loop_in_a_pool_has_each_record_in_its_own_trace(consumer: Consumer, finished: Finished) -> None:
    def loop() -> list[int]:
        found = []
        while consumer.poll() is not None:
            with trace.get_tracer("application").start_as_current_span("handle") as span:
                found.append(span.get_span_context().trace_id)
        return found

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(loop).result() == TRACES
        assert pool.submit(seen).result() == 0


def test_a_context_that_work_leaves_for_its_thread_stays(consumer: Consumer) -> None:
    def attach() -> None:
        otel_context.attach(baggage.set_baggage("of", "the thread"))

    with ThreadPoolExecutor(1) as pool:
        pool.submit(attach).result()
        assert pool.submit(lambda: baggage.get_baggage("of")).result() == "the thread"


def test_pools_are_as_they_were_when_nothing_is_instrumented() -> None:
    before = [vars(owner).get(name) for owner, name in ((ThreadPoolExecutor, "submit"), (ThreadPool, "apply_async"))]
    confine_work()
    confine_work()
    release_work()
    assert vars(ThreadPoolExecutor)["submit"] is not before[0]
    release_work()
    after = [vars(owner).get(name) for owner, name in ((ThreadPoolExecutor, "submit"), (ThreadPool, "apply_async"))]
    assert after == before


def test_a_record_that_two_threads_want_has_one_span(consumer: Consumer, finished: Finished) -> None:
    start = threading.Barrier(4)

    def race(one: object) -> None:
        start.wait()
        with process(one):
            pass

    while (one := consumer.poll()) is not None:
        threads = [threading.Thread(target=race, args=(one,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        consumer._polled.leave()
        for thread in threads:
            thread.join()
    assert processed(finished) == TRACES
