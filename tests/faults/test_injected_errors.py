"""What the broker refuses or loses: the client's own behaviour is kept, each span ends once and tells what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import ModuleType
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.trace import StatusCode

from tests.faults.mock_cluster import OFFSET_COMMIT, PRODUCE, MockCluster
from tests.faults.spans import attribute, processed, sent, trace_of
from unbroken.clients.confluent_kafka import Consumer, Producer
from unbroken.testing import Spans

SECONDS = 30.0
"""How long anything may take before a test fails."""


class Reports:
    """A user's delivery callback that remembers."""

    def __init__(self) -> None:
        self.errors: list[str | None] = []
        self.traces: list[int] = []

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.errors.append(error.name() if error else None)
        self.traces.append(trace.get_current_span().get_span_context().trace_id)


class Events:
    """An `error_cb` that remembers the names of the client's events."""

    def __init__(self) -> None:
        self.names: list[str | None] = []

    def __call__(self, error: KafkaError) -> None:
        self.names.append(error.name())


@pytest.fixture
def reports() -> Reports:
    return Reports()


def test_a_retried_record_has_one_span_and_is_there_once(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic = cluster.create("retried")
    producer = Producer(config(cluster))
    cluster.fail_next(PRODUCE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT)
    producer.produce(topic, b"value", on_delivery=reports)
    assert producer.flush(SECONDS) == 0
    assert reports.errors == [None]
    assert [message.value() for message in everything(cluster, topic)] == [b"value"]
    (span,) = sent(spans)
    assert attribute(span, "messaging.kafka.offset") == 0
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("error", ["INVALID_RECORD", "MSG_SIZE_TOO_LARGE", "TOPIC_AUTHORIZATION_FAILED"])
def test_a_refused_record_is_an_error_of_its_span_and_of_its_callback(
    error: str, cluster: MockCluster, spans: Spans, reports: Reports
) -> None:
    producer = Producer(config(cluster))
    cluster.fail_next(PRODUCE, getattr(KafkaError, error))
    producer.produce(cluster.create("refused"), b"value", on_delivery=reports)
    assert producer.flush(SECONDS) == 0
    (span,) = sent(spans)
    assert attribute(span, "error.type") == error
    assert span.status.status_code is StatusCode.ERROR
    assert attribute(span, "messaging.kafka.offset") is None
    assert reports.errors == [error]
    assert reports.traces == [trace_of(span)]


def test_of_two_records_only_the_refused_one_is_an_error(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic = cluster.create("one-of-two")
    producer = Producer(config(cluster))
    cluster.fail_next(PRODUCE, KafkaError.INVALID_RECORD)
    for value in (b"bad", b"good"):
        producer.produce(topic, value, on_delivery=reports)
        assert producer.flush(SECONDS) == 0
    assert reports.errors == ["INVALID_RECORD", None]
    assert [attribute(span, "error.type") for span in sent(spans)] == ["INVALID_RECORD", None]


def test_a_client_that_refuses_at_once_raises_as_the_plain_one_does(cluster: MockCluster, spans: Spans) -> None:
    topic = cluster.create("forbidden")
    producer = Producer(config(cluster))
    cluster.fail_next(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    producer.produce(topic, b"value")
    assert producer.flush(SECONDS) == 0
    with pytest.raises(KafkaException) as raised:  # librdkafka remembers the refusal of the topic for a while
        producer.produce(topic, b"value")
    assert raised.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    first, second = sent(spans)
    assert trace_of(first) != trace_of(second)
    assert [attribute(span, "error.type") for span in (first, second)] == ["TOPIC_AUTHORIZATION_FAILED"] * 2
    assert [span.status.status_code for span in (first, second)] == [StatusCode.ERROR] * 2


def test_a_record_outlives_the_broker_that_went_away(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic, seen = cluster.create("restarted"), Events()
    producer = Producer(config(cluster, error_cb=seen))
    producer.produce(topic, b"before", on_delivery=reports)
    assert producer.flush(SECONDS) == 0
    cluster.take_down()
    producer.produce(topic, b"during", on_delivery=reports)
    wait(lambda: seen.names, producer.poll, "the producer to notice that the broker is down")
    assert len(sent(spans)) == 1
    cluster.bring_up()
    assert producer.flush(SECONDS) == 0
    assert reports.errors == [None, None]
    assert [attribute(span, "messaging.kafka.offset") for span in sent(spans)] == [0, 1]
    assert [message.value() for message in everything(cluster, topic)] == [b"before", b"during"]


def test_a_span_is_open_until_the_broker_has_answered(cluster: MockCluster, spans: Spans) -> None:
    producer = Producer(config(cluster))
    topic = cluster.create("late")
    producer.produce(topic, b"warm")
    assert producer.flush(SECONDS) == 0
    cluster.answer_after(300)
    producer.produce(topic, b"late")
    assert producer.poll(0) == 0
    assert len(sent(spans)) == 1
    assert producer.flush(SECONDS) == 0
    assert [attribute(span, "messaging.kafka.offset") for span in sent(spans)] == [0, 1]


def test_a_record_that_waited_too_long_is_an_error(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic = cluster.create("expired")
    producer = Producer(config(cluster, **{"message.timeout.ms": 200}))
    cluster.take_down()
    producer.produce(topic, b"value", on_delivery=reports)
    assert producer.flush(SECONDS) == 0
    (span,) = sent(spans)
    assert attribute(span, "error.type") == "_MSG_TIMED_OUT"
    assert reports.errors == ["_MSG_TIMED_OUT"]


def test_a_purged_record_ends_its_span(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic = cluster.create("purged")
    producer = Producer(config(cluster))
    cluster.take_down()
    producer.produce(topic, b"value", on_delivery=reports)
    producer.purge()
    assert producer.flush(SECONDS) == 0
    (span,) = sent(spans)
    assert attribute(span, "error.type") == reports.errors[0]
    assert reports.errors[0] in ("_PURGE_QUEUE", "_PURGE_INFLIGHT")


def test_a_full_queue_is_an_error_of_its_span_and_no_more(cluster: MockCluster, spans: Spans, reports: Reports) -> None:
    topic = cluster.create("full")
    producer = Producer(config(cluster, **{"queue.buffering.max.messages": 1}))
    cluster.take_down()
    producer.produce(topic, b"first", on_delivery=reports)
    with pytest.raises(BufferError, match="Queue full") as raised:
        producer.produce(topic, b"second", on_delivery=reports)
    assert type(raised.value) is BufferError
    (span,) = sent(spans)
    assert attribute(span, "error.type") == "BufferError"
    assert span.status.status_code is StatusCode.ERROR
    cluster.bring_up()
    wait(lambda: reports.errors, producer.poll, "the first record to be delivered")
    producer.produce(topic, b"third", on_delivery=reports)
    assert producer.flush(SECONDS) == 0
    assert reports.errors == [None, None]
    assert [message.value() for message in everything(cluster, topic)] == [b"first", b"third"]
    assert len(sent(spans)) == 3


def test_a_callback_that_raises_reaches_the_application_after_its_span_has_ended(
    cluster: MockCluster, spans: Spans
) -> None:
    failure = RuntimeError("of the user")

    def report(error: KafkaError | None, message: Message) -> None:
        raise failure

    before = get_current()
    producer = Producer(config(cluster))
    producer.produce(cluster.create("raising"), b"value", on_delivery=report)
    with pytest.raises(RuntimeError) as raised:
        producer.flush(SECONDS)
    assert raised.value is failure
    assert get_current() == before
    (span,) = sent(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert attribute(span, "messaging.kafka.offset") == 0


def test_only_errors_are_reported_when_asked_and_every_span_ends(
    cluster: MockCluster, spans: Spans, reports: Reports
) -> None:
    topic = cluster.create("only-errors")
    producer = Producer(config(cluster, **{"delivery.report.only.error": True}))
    cluster.fail_next(PRODUCE, KafkaError.NO_ERROR, KafkaError.INVALID_RECORD)
    for value in (b"good", b"bad"):
        producer.produce(topic, value, on_delivery=reports)
        assert producer.flush(SECONDS) == 0
    assert reports.errors == ["INVALID_RECORD"]
    assert [attribute(span, "error.type") for span in sent(spans)] == [None, "INVALID_RECORD"]


async def test_a_refused_record_fails_its_future(
    cluster: MockCluster, spans: Spans, asyncio_clients: ModuleType
) -> None:
    cluster.fail_next(PRODUCE, KafkaError.INVALID_RECORD)
    # Without its timer the client's own class serves nothing: the future is done because ours does.
    async with asyncio_clients.AIOProducer(config(cluster), buffer_timeout=0) as producer:
        delivered = await producer.produce(cluster.create("refused-future"), b"value")
        with pytest.raises(KafkaException) as raised:
            await asyncio.wait_for(delivered, SECONDS)
    assert raised.value.args[0].code() == KafkaError.INVALID_RECORD
    (span,) = sent(spans)
    assert attribute(span, "error.type") == "INVALID_RECORD"


async def test_a_full_queue_is_waited_for(cluster: MockCluster, spans: Spans, asyncio_clients: ModuleType) -> None:
    topic = cluster.create("full-future")
    async with asyncio_clients.AIOProducer(config(cluster, **{"queue.buffering.max.messages": 1})) as producer:
        futures = [await asyncio.wait_for(producer.produce(topic, b"%d" % number), SECONDS) for number in range(20)]
        await asyncio.wait_for(asyncio.gather(*futures), SECONDS)
    assert [message.value() for message in everything(cluster, topic)] == [b"%d" % number for number in range(20)]
    assert len({trace_of(span) for span in sent(spans)}) == 20


@pytest.mark.parametrize("kind", [confluent_kafka.Consumer, Consumer])
@pytest.mark.parametrize("error", ["TOPIC_AUTHORIZATION_FAILED", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID"])
def test_a_commit_error_is_raised_to_the_user(
    error: str, kind: type[confluent_kafka.Consumer], cluster: MockCluster
) -> None:
    topic = filled(cluster, 1)
    with reading(kind(config(cluster, **{"group.id": "commits"})), topic) as consumer:
        message = one(consumer)
        cluster.fail_next(OFFSET_COMMIT, getattr(KafkaError, error))
        with pytest.raises(KafkaException) as raised:
            consumer.commit(message, asynchronous=False)
    assert raised.value.args[0].name() == error


def test_a_commit_error_that_the_handler_catches_is_none_of_the_span(cluster: MockCluster, spans: Spans) -> None:
    topic = filled(cluster, 1)
    with reading(Consumer(config(cluster, **{"group.id": "caught"})), topic) as consumer:
        message = one(consumer)
        cluster.fail_next(OFFSET_COMMIT, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        with consumer.process(message), pytest.raises(KafkaException):
            consumer.commit(message, asynchronous=False)
    (span,) = processed(spans)
    assert span.status.status_code is StatusCode.UNSET
    assert attribute(span, "error.type") is None
    assert trace_of(span) == trace_of(sent(spans)[0])


def test_a_commit_error_that_leaves_the_block_is_the_error_of_the_span(cluster: MockCluster, spans: Spans) -> None:
    topic, before = filled(cluster, 1), get_current()
    with reading(Consumer(config(cluster, **{"group.id": "raised"})), topic) as consumer:
        message = one(consumer)
        cluster.fail_next(OFFSET_COMMIT, KafkaError.TOPIC_AUTHORIZATION_FAILED)
        with pytest.raises(KafkaException) as raised, consumer.process(message):
            consumer.commit(message, asynchronous=False)
        assert get_current() == before
    assert raised.value.args[0].name() == "TOPIC_AUTHORIZATION_FAILED"
    (span,) = processed(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert attribute(span, "error.type") == "cimpl.KafkaException"


def test_a_message_whose_partition_is_lost_while_it_is_processed_keeps_its_span(
    cluster: MockCluster, spans: Spans
) -> None:
    """The handler takes longer than `max.poll.interval.ms`: it ends when the partition has gone to another member."""
    topic, before = filled(cluster, 2), get_current()
    impatient = {"session.timeout.ms": 1000, "heartbeat.interval.ms": 100, "max.poll.interval.ms": 1000}
    slow = Consumer(config(cluster, **{"group.id": "slow", **impatient}))
    other = Consumer(config(cluster, **{"group.id": "slow", **impatient}))
    taken: list[TopicPartition] = []
    slow.subscribe([topic])
    with closing(slow), closing(other):
        first = one(slow)
        with slow.process(first) as span:
            other.subscribe([topic], on_assign=lambda _, partitions: taken.extend(partitions))
            wait(lambda: taken, other.poll, "the partition to go to the other member")
            assert trace.get_current_span() is span
        assert get_current() == before
        other.close()
        event = slow.poll(SECONDS)
        assert event is not None
        assert (expiry := event.error()) is not None
        assert expiry.code() == KafkaError._MAX_POLL_EXCEEDED
        with slow.process(event):
            assert get_current() == before
        for message in (one(slow), one(slow)):  # nothing was committed: the first comes again
            with slow.process(message):
                pass
            assert get_current() == before
    created = {attribute(span, "messaging.kafka.offset"): trace_of(span) for span in sent(spans)}
    handled = [(attribute(span, "messaging.kafka.offset"), trace_of(span)) for span in processed(spans)]
    assert handled == [(offset, created[offset]) for offset in (0, 0, 1)]
    assert all(span.status.status_code is StatusCode.UNSET for span in processed(spans))


def test_a_consumer_goes_on_after_the_broker_came_back(cluster: MockCluster, spans: Spans) -> None:
    topic, seen = filled(cluster, 1), Events()
    with reading(Consumer(config(cluster, **{"group.id": "back"}, error_cb=seen)), topic) as consumer:
        with consumer.process(one(consumer)) as span:
            cluster.take_down()
            wait(lambda: seen.names, lambda _: consumer.poll(0.1), "the consumer to notice that the broker is down")
            cluster.bring_up()
            assert trace.get_current_span() is span
        produce(cluster, topic, 1)
        with consumer.process(one(consumer)):
            pass
    assert [trace_of(span) for span in processed(spans)] == [trace_of(span) for span in sent(spans)]


def config(cluster: MockCluster, **settings: Any) -> dict[str, Any]:
    """Return the configuration of a client that reconnects at once; of a consumer when there is a `group.id`."""
    known: dict[str, Any] = {
        "bootstrap.servers": cluster.bootstrap,
        "reconnect.backoff.max.ms": 100,
        "retry.backoff.ms": 10,
        "log_level": 0,
    }
    kind = (
        {"auto.offset.reset": "earliest", "enable.auto.commit": False} if "group.id" in settings else {"linger.ms": 0}
    )
    return {**known, **kind, **settings}


def filled(cluster: MockCluster, records: int) -> str:
    """Return a topic that holds so many records, each in a trace of its own."""
    topic = cluster.create("filled")
    produce(cluster, topic, records)
    return topic


def produce(cluster: MockCluster, topic: str, records: int) -> None:
    producer = Producer(config(cluster))
    for number in range(records):
        producer.produce(topic, b"%d" % number)
    assert producer.flush(SECONDS) == 0


def one(consumer: confluent_kafka.Consumer) -> Message:
    """Return the next message, which is no error."""
    deadline = time.monotonic() + SECONDS
    while (message := consumer.poll(0.1)) is None or message.error() is not None:
        assert time.monotonic() < deadline, f"no message within {SECONDS} s"
    return message


def everything(cluster: MockCluster, topic: str) -> list[Message]:
    """Return the records of the topic's only partition."""
    found: list[Message] = []
    with reading(
        confluent_kafka.Consumer(config(cluster, **{"group.id": "all", "enable.partition.eof": True})), topic
    ) as all_:
        while (message := all_.poll(SECONDS)) is not None and message.error() is None:
            found.append(message)
        assert message is not None
        assert (end := message.error()) is not None
        assert end.code() == KafkaError._PARTITION_EOF
    return found


@contextmanager
def reading(consumer: Any, topic: str) -> Iterator[Any]:
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0, 0)])
        yield consumer


def wait(until: Callable[[], object], serve: Callable[[float], object], what: str) -> None:
    """Serve the client until something has happened."""
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        serve(0.1)
