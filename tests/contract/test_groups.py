"""What only a real Kafka does: rebalances and transactions."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from opentelemetry import trace

from tests.contract.clients import KafkaClient
from tests.contract.conftest import Spans
from unbroken import process


def publish(client: KafkaClient, topic: str, count: int) -> dict[bytes, int]:
    """Send so many messages to two partitions, each in its own trace, and return the trace of each value."""
    traces = {}
    for number in range(count):
        with trace.get_tracer("test").start_as_current_span("order") as span:
            value = f"{uuid.uuid4()}".encode()
            client.send_to(topic, number % 2, value)
            traces[value] = span.get_span_context().trace_id
    client.flush()
    return traces


def test_a_batch_interrupted_by_a_rebalance_keeps_its_traces(
    real_client: KafkaClient, topic: str, spans: Spans
) -> None:
    if not real_client.has_partitions:
        pytest.skip("a share group assigns no partitions that a rebalance could take away")
    real_client.create_topic(topic, partitions=2)
    traces = publish(real_client, topic, 20)
    seen: dict[bytes, int] = {}

    def handle(message: object) -> None:
        with process(message):
            seen[real_client.value(message)] = trace.get_current_span().get_span_context().trace_id

    with real_client.member(topic, topic) as reader, ThreadPoolExecutor(1) as threads:
        batch = reader.take(20)
        for message in batch[:10]:
            handle(message)
        joined = threads.submit(join, type(real_client), real_client.bootstrap, topic)
        while not joined.done():
            traces.update(publish(real_client, topic, 2))
            for message in reader.some(10):
                handle(message)
        for message in batch[10:]:
            handle(message)
    joined.result()
    assert seen == {value: traces[value] for value in seen}
    assert {real_client.value(message) for message in batch} <= set(seen)


def join(kind: type[KafkaClient], bootstrap: str, topic: str) -> None:
    """Be a second member of the group, with a client of its own, until a partition was taken over: a message came."""
    client = kind(bootstrap, False)
    with closing(client), client.member(topic, topic) as reader:
        reader.one()


def test_messages_of_a_committed_transaction_are_in_the_trace_of_their_producer(
    real_client: KafkaClient, topic: str, spans: Spans
) -> None:
    able(real_client)
    with trace.get_tracer("test").start_as_current_span("order") as order:
        real_client.transact(topic, [b"one", b"two"], commit=True)
    seen = []
    with real_client.reader(topic, committed=True) as reader:
        for message in reader.take(2):
            with process(message):
                seen.append(trace.get_current_span().get_span_context().trace_id)
    assert seen == [order.get_span_context().trace_id] * 2


def test_messages_of_an_aborted_transaction_are_not_processed(
    real_client: KafkaClient, topic: str, spans: Spans
) -> None:
    able(real_client)
    real_client.transact(topic, [b"one", b"two"], commit=False)
    real_client.transact(topic, [b"three"], commit=True)
    with real_client.reader(topic, committed=True) as reader, process(message := reader.one()):
        assert real_client.value(message) == b"three"


@pytest.mark.parametrize("commit", [True, False], ids=["commit", "abort"])
def test_every_send_span_has_ended_with_its_transaction(
    real_client: KafkaClient, topic: str, spans: Spans, commit: bool
) -> None:
    able(real_client)
    real_client.transact(topic, [b"one", b"two"], commit=commit)
    assert len(spans.sent) == 2


def able(client: KafkaClient) -> None:
    """Skip the test where the installed version of the client has no transactions."""
    if (missing := client.transactions_missing()) is not None:
        pytest.skip(missing)
