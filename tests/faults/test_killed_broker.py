"""A real Kafka is killed twice under a producing and a consuming process: no record is lost, no trace breaks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from services.kafka import Kafka
from tests.faults.events import Acknowledged, Ended, Finished, Processed, Ready, Trouble
from tests.faults.loop_process import LoopProcess

RECORDS = 200
"""How many records are acknowledged and processed before each fault, and after the last one."""
SECONDS = 120.0
"""How long anything may take before the test fails."""
COMPLAINTS = ("Traceback", "Internal error in unbroken", "Calling end() on an ended span", "Failed to detach")


@pytest.mark.parametrize("client", ["confluent_kafka", "aiokafka"])
def test_a_killed_broker_costs_no_record_and_no_trace(client: str, own_kafka: Kafka, tmp_path: Path) -> None:
    pytest.importorskip(client)
    bootstrap, topic = own_kafka.bootstrap, "faults"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(SECONDS)
    with (
        LoopProcess(f"{client}_loops", "consume", bootstrap, topic, tmp_path / "consumer.log") as consumer,
        LoopProcess(f"{client}_loops", "produce", bootstrap, topic, tmp_path / "producer.log") as producer,
    ):
        consumer.wait_for(lambda: consumer.of(Ready), "have its partitions", SECONDS)
        for fault in (1, 2):
            wait_for_records(producer, consumer, fault * RECORDS)
            noticed = len(producer.of(Trouble))
            own_kafka.kill()
            # Not the consumer: a synchronous commit that waits for the broker tells nothing until it is back.
            producer.wait_for(lambda: len(producer.of(Trouble)) > noticed, "notice the dead broker", SECONDS)  # noqa: B023 - called at once
            own_kafka.start()
        wait_for_records(producer, consumer, 3 * RECORDS)
        producer.stop(SECONDS)
        consumer.wait_for(lambda: not lost(producer, consumer), "process every acknowledged record", SECONDS)
        consumer.stop(SECONDS)
        assert_traces_hold(producer, consumer)
        assert_nothing_is_left(producer, consumer)


def wait_for_records(producer: LoopProcess, consumer: LoopProcess, records: int) -> None:
    producer.wait_for(
        lambda: len(producer.of(Acknowledged)) >= records, f"get {records} records to the broker", SECONDS
    )
    consumer.wait_for(lambda: len(consumer.of(Processed)) >= records, f"process {records} records", SECONDS)


def lost(producer: LoopProcess, consumer: LoopProcess) -> set[str]:
    """Return the keys that were acknowledged and not processed."""
    return {event.key for event in producer.of(Acknowledged)} - {event.key for event in consumer.of(Processed)}


def assert_traces_hold(producer: LoopProcess, consumer: LoopProcess) -> None:
    processed = consumer.of(Processed)
    assert [event for event in processed if event.trace != event.created] == []
    created = {event.key: event.created for event in processed}
    assert [event for event in producer.of(Acknowledged) if event.trace != created[event.key]] == []
    spans = [event for event in consumer.of(Ended) if event.kind == "CONSUMER"]
    assert Counter(event.trace for event in spans) == Counter(event.created for event in processed)


def assert_nothing_is_left(producer: LoopProcess, consumer: LoopProcess) -> None:
    assert [event for event in consumer.of(Processed) if not event.clean] == []
    for process in (producer, consumer):
        (finished,) = process.of(Finished)
        assert finished.clean, f"the {process.role} process ended with something attached"
        assert [text for text in COMPLAINTS if text in process.log] == [], process.log
    (finished,) = producer.of(Finished)
    spans = [event for event in producer.of(Ended) if event.kind == "PRODUCER"]
    assert len({event.span for event in spans}) == len(spans) == finished.sends
    assert [event for event in spans if (event.offset is None) is (event.error is None)] == []
    acknowledged = [event.trace for event in spans if event.error is None]
    assert Counter(acknowledged) == Counter(event.trace for event in producer.of(Acknowledged))
