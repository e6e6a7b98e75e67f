"""What zero-code instrumentation does with a call that gives several records of Kafka."""

import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tests.messaging.conftest import reader
from tests.messaging.telemetry import counts, message
from unbroken import process, receive
from unbroken.clients.kafka.zero_code import ConsumerState
from unbroken.messaging.polled import PollSwitch

__all__ = ["reader"]

CONSUMED = "messaging.client.consumed.messages"


@pytest.fixture
def watched() -> Iterator[ConsumerState]:
    """What is kept of a consumer whose client is instrumented."""
    polling = PollSwitch()
    polling.start()
    yield ConsumerState(polling, {})
    polling.stop()


def test_process_of_a_record_that_the_poll_has_counted_counts_it_no_more(
    watched: ConsumerState, reader: InMemoryMetricReader
) -> None:
    records = [message(), message()]
    watched.hand_out(records, one=False, started=time.time_ns())
    for record in records:
        with process(record):
            pass
    assert counts(reader, CONSUMED) == [2]


def test_receive_of_records_that_the_poll_has_counted_counts_them_no_more(
    watched: ConsumerState, reader: InMemoryMetricReader
) -> None:
    records = [message(), message()]
    watched.hand_out({"orders-0": records[:1], "orders-1": records[1:]}, one=False, started=time.time_ns())
    with receive(records):
        pass
    assert counts(reader, CONSUMED) == [2]


def test_records_that_are_gone_are_forgotten_at_the_next_call(
    watched: ConsumerState, reader: InMemoryMetricReader
) -> None:
    record = message()
    watched.hand_out([record], one=False, started=time.time_ns())
    watched.polled.leave()
    with process(record):  # the application has kept it
        pass
    assert counts(reader, CONSUMED) == [1]


def test_records_are_forgotten_with_their_consumer(reader: InMemoryMetricReader) -> None:
    polling, record = PollSwitch(), message()
    polling.start()
    ConsumerState(polling, {}).hand_out([record], one=False, started=time.time_ns())
    polling.stop()
    with process(record):
        pass
    assert counts(reader, CONSUMED) == [1, 1]
