"""The trace goes on: through one message, a batch, threads, tasks, errors, retries and dead-letter queues."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from tests.contract.clients import Client
from tests.contract.conftest import Spans, context_of
from unbroken import BoundExecutor, bind, forward, inject, process, receive
from unbroken.propagation import w3c


def trace_id() -> int:
    """The trace that is current."""
    return trace.get_current_span().get_span_context().trace_id


def span_id() -> int:
    """The span that is current."""
    return trace.get_current_span().get_span_context().span_id


def publish(client: Client, topic: str, count: int = 1) -> list[int]:
    """Send so many messages, each in a trace of its own, and return the trace ids."""
    traces = []
    for number in range(count):
        with trace.get_tracer("test").start_as_current_span("order"):
            client.send(topic, b"%d" % number)
            traces.append(trace_id())
    client.flush()
    return traces


def in_order(client: Client, messages: list[Any]) -> list[Any]:
    """The messages in the order in which they were published; not every queue keeps it."""
    return sorted(messages, key=lambda message: int(client.value(message)))


def test_the_handler_runs_in_the_trace_of_the_producer(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    with client.reader(topic) as reader, process(reader.one()):
        assert [trace_id()] == traces


def test_the_process_span_is_a_child_of_the_send_span(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    with client.reader(topic) as reader, process(reader.one()):
        pass
    assert spans.processed[0].parent is not None
    assert spans.processed[0].parent.span_id == context_of(spans.sent[0]).span_id


def test_the_process_span_links_the_send_span(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    with client.reader(topic) as reader, process(reader.one()):
        pass
    assert [link.context.span_id for link in spans.processed[0].links] == [context_of(spans.sent[0]).span_id]


def test_the_send_span_is_a_child_of_the_span_around_it(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    assert spans.sent[0].parent is not None
    assert spans.sent[0].parent.span_id == context_of(spans.named("order")).span_id


def test_plain_clients_with_inject_and_process_keep_the_trace(client: Client, topic: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("order"):
        sent = trace_id()
        client.send_plain(topic, b"value", inject(wire=client.wire))
    with client.reader(topic, plain=True) as reader, process(reader.one(), reader.consumer):
        assert trace_id() == sent


def test_a_message_of_a_dead_producer_is_processed_in_its_trace(client: Client, topic: str, spans: Spans) -> None:
    producer = client.another()
    traces = publish(producer, topic)
    producer.close()
    del producer
    with client.reader(topic) as reader, process(reader.one()):
        assert [trace_id()] == traces


def test_a_batch_of_500_is_processed_in_500_traces(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic, 500)
    seen = []
    with client.reader(topic) as reader:
        messages = in_order(client, reader.take(500))
        with receive(messages, reader.consumer):
            for message in messages:
                with process(message, reader.consumer):
                    seen.append(trace_id())
    assert len(set(seen)) == 500
    assert seen == traces


def test_the_span_of_a_batch_links_each_of_its_messages(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic, 20)
    with client.reader(topic) as reader, receive(reader.take(20), reader.consumer) as span:
        pass
    assert isinstance(span, ReadableSpan)
    assert span.name == f"{client.receiving} {topic}"  # beside those of the polls, where the client makes them
    assert {link.context.span_id for link in span.links} == {context_of(sent).span_id for sent in spans.sent}


def test_bound_work_in_another_thread_is_in_the_trace_of_the_message(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    seen: list[int] = []

    def work() -> None:
        seen.append(trace_id())

    with client.reader(topic) as reader, process(reader.one()):
        thread = threading.Thread(target=bind(work))
    thread.start()
    thread.join()
    assert seen == traces


def test_a_bound_executor_keeps_each_message_in_its_trace(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic, 20)
    with client.reader(topic) as reader, ThreadPoolExecutor(4) as threads:
        pool = BoundExecutor(threads)
        futures = []
        for message in in_order(client, reader.take(20)):
            with process(message):
                futures.append(pool.submit(trace_id))
        assert [future.result() for future in futures] == traces


def test_a_task_started_in_the_block_is_in_the_trace_of_the_message(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)

    async def handle(message: object) -> int:
        async def work() -> int:
            await asyncio.sleep(0)
            return trace_id()

        with process(message):
            task = asyncio.create_task(work())
        return await task

    with client.reader(topic) as reader:
        message = reader.one()
        assert [asyncio.run(handle(message))] == traces


def test_messages_handled_at_once_in_tasks_keep_their_traces(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic, 20)

    async def handle(message: object) -> int:
        with process(message):
            await asyncio.sleep(0)
            return trace_id()

    async def handle_all(messages: list[object]) -> list[int]:
        return await asyncio.gather(*map(handle, messages))

    with client.reader(topic) as reader:
        assert asyncio.run(handle_all(in_order(client, reader.take(20)))) == traces


class Poison(Exception):
    """What the handlers of these tests raise."""


def test_an_error_of_the_handler_passes_untouched(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    poison = Poison("no")
    with client.reader(topic) as reader, pytest.raises(Poison) as caught, process(reader.one()):
        raise poison
    assert caught.value is poison


def test_an_error_of_the_handler_marks_the_span(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    with client.reader(topic) as reader, pytest.raises(Poison), process(reader.one()):
        raise Poison("no")
    (span,) = spans.processed
    assert not span.status.is_ok
    assert span.attributes is not None
    assert str(span.attributes["error.type"]).endswith("Poison")


def test_all_attempts_inside_the_block_are_in_one_span(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    seen = []
    with client.reader(topic) as reader:
        message = reader.one()
        with process(message):
            for _ in range(3):
                with process(message):
                    seen.append(trace_id())
    assert seen == traces * 3
    assert len(spans.processed) == 1


def test_each_attempt_of_a_message_read_again_is_in_its_trace(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    seen = []

    def attempt(message: object) -> None:
        with process(message):
            seen.append(trace_id())
            raise Poison

    with client.reader(topic) as reader:
        message = reader.one()
        for _ in range(3):
            with pytest.raises(Poison):
                attempt(message)
    assert seen == traces * 3


def dead_letters(client: Client, topic: str) -> Iterator[object]:
    """The message, then that of each of three dead-letter queues, forwarded in the block of the one before."""
    for hop in range(4):
        with client.reader(f"{topic}-{hop}" if hop else topic) as reader:
            message = reader.one()
            with process(message, reader.consumer):
                yield message
                if hop < 3:
                    headers = forward(message, error=Poison("no"))
                    client.send(f"{topic}-{hop + 1}", client.value(message), headers=headers)
                    client.flush()


def test_three_hops_through_dead_letter_queues_are_one_trace(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    assert [trace_id() for _ in dead_letters(client, topic)] == traces * 4


def test_each_forwarded_record_has_exactly_one_traceparent(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    counts = [
        [name for name, _ in client.headers(message)].count("traceparent") for message in dead_letters(client, topic)
    ]
    assert counts == [1, 1, 1, 1]


def test_each_forwarded_record_keeps_its_origin(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    headers = [dict(client.headers(message)) for message in dead_letters(client, topic)]
    first = context_of(spans.sent[0])
    assert w3c.parse_traceparent(headers[-1]["unbroken-origin"])[:2] == (first.trace_id, first.span_id)


def test_each_forwarded_record_counts_its_attempt(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    headers = [dict(client.headers(message)) for message in dead_letters(client, topic)]
    assert [header.get("unbroken-attempt") for header in headers] == [None, b"1", b"2", b"3"]


def test_each_dead_letter_is_a_child_of_the_block_before(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    for _ in dead_letters(client, topic):
        pass
    parents = [span.parent.span_id for span in spans.sent[1:] if span.parent]
    assert parents == [context_of(span).span_id for span in spans.processed[:3]]


def test_a_message_forwarded_outside_its_block_keeps_its_trace(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    with client.reader(topic) as reader:
        client.send(f"{topic}-retry", b"again", headers=forward(reader.one()))
        client.flush()
    with client.reader(f"{topic}-retry") as reader, process(reader.one()):
        assert [trace_id()] == traces


def test_headers_passed_on_as_received_keep_the_trace(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic)
    with client.reader(topic) as reader:
        message = reader.one()
        with process(message):
            client.send(f"{topic}-next", b"next", headers=client.as_received(message))
            client.flush()
    with client.reader(f"{topic}-next") as reader, process(reader.one()):
        assert [trace_id()] == traces


def test_two_consumers_in_one_thread_keep_their_traces(client: Client, topic: str, spans: Spans) -> None:
    traces = publish(client, topic), publish(client, f"{topic}-other")
    with client.reader(topic) as first, client.reader(f"{topic}-other") as second:
        one, other = first.one(), second.one()
        with process(one, first.consumer):
            assert [trace_id()] == traces[0]
            with process(other, second.consumer):
                assert [trace_id()] == traces[1]
            assert [trace_id()] == traces[0]


def test_the_block_leaves_the_span_around_it_current(client: Client, topic: str, spans: Spans) -> None:
    publish(client, topic)
    with client.reader(topic) as reader, trace.get_tracer("test").start_as_current_span("loop"):
        around = span_id()
        with process(reader.one()):
            assert span_id() != around
        assert span_id() == around
