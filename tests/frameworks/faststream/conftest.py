"""FastStream's brokers: each Kafka broker on the embedded Kafka and on a real one, that of RabbitMQ on a real one."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

faststream = pytest.importorskip("faststream")
confluent_kafka = pytest.importorskip("confluent_kafka")

from faststream.confluent import KafkaBroker as ConfluentBroker  # noqa: E402 - only where FastStream is
from faststream.confluent import TopicPartition as ConfluentPartition  # noqa: E402
from faststream.kafka import KafkaBroker, TopicPartition  # noqa: E402

from unbroken.testing import Spans  # noqa: E402

Message = Annotated[Any, faststream.Context("message")]
"""The message of FastStream, as an argument of a handler."""

PATIENCE = 30.0
"""Seconds after which a test gives up."""


@dataclass(frozen=True)
class Kind:
    """A broker of FastStream that speaks to Kafka."""

    name: str
    broker: type[Any]
    partition: type[Any]


KINDS = [Kind("aiokafka", KafkaBroker, TopicPartition), Kind("confluent", ConfluentBroker, ConfluentPartition)]


class Kafka:
    """A Kafka, and the broker of FastStream that speaks to it."""

    def __init__(self, kind: Kind, bootstrap: str, embedded: bool) -> None:
        self.kind = kind
        self.bootstrap = bootstrap
        self.embedded = embedded

    def broker(self, *middlewares: Any, **options: Any) -> Any:
        """Return a broker with these middlewares."""
        return self.kind.broker(
            self.bootstrap, middlewares=middlewares, allow_auto_create_topics=False, logger=None, **options
        )

    def topic(self, name: str = "orders") -> str:
        """Return a new topic."""
        topic = f"{name}-{uuid.uuid4().hex[:8]}"
        if self.embedded:
            confluent_kafka.Producer({"bootstrap.servers": self.bootstrap}).list_topics(topic, timeout=PATIENCE)
        else:
            admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.bootstrap})
            admin.create_topics([confluent_kafka.admin.NewTopic(topic, 1, 1)])[topic].result(PATIENCE)
        return topic

    def reading(self, topic: str, **options: Any) -> dict[str, Any]:
        """Return what a subscriber is declared with to read a topic from its beginning, without joining a group."""
        count = 4 if self.embedded else 1  # the embedded Kafka makes topics of four
        partitions = [self.kind.partition(topic, number) for number in range(count)]
        return {"partitions": partitions, "auto_offset_reset": "earliest", "group_id": f"{topic}-group", **options}

    def write(self, topic: str, *records: tuple[bytes | None, list[tuple[str, Any]]]) -> None:
        """Produce records as a program without FastStream does: a value and headers each."""
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        for value, headers in records:
            producer.produce(topic, value, headers=headers, partition=0)
        producer.flush(PATIENCE)

    def read(self, topic: str, count: int) -> list[Any]:
        """Return the first records of a topic."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader"})
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        try:
            return [consumer.poll(PATIENCE) for _ in range(count)]
        finally:
            consumer.close()


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def shop(request: pytest.FixtureRequest, kafka: str) -> Kafka:
    """Each broker of FastStream on each Kafka."""
    return Kafka(request.param, kafka, embedded=request.node.callspec.params["kafka"] == "embedded")


@pytest.fixture(params=KINDS, ids=[kind.name for kind in KINDS])
def quick(request: pytest.FixtureRequest, embedded: str) -> Kafka:
    """Each broker of FastStream on the embedded Kafka: for what does not depend on the server."""
    return Kafka(request.param, embedded, embedded=True)


class Seen:
    """What handlers have seen; `arrived` waits for it."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()

    def note(self, what: Any = None) -> None:
        """Note a value, or the span that is current."""
        self._queue.put_nowait(trace.get_current_span() if what is None else what)

    async def arrived(self, count: int) -> list[Any]:
        """Return the next values, in order."""
        return [await asyncio.wait_for(self._queue.get(), PATIENCE) for _ in range(count)]


@pytest.fixture
def seen() -> Seen:
    """What handlers have seen."""
    return Seen()


def trace_of(span: Any) -> int:
    """Return the trace that a span is in."""
    number: int = span.get_span_context().trace_id
    return number


def parent_of(span: ReadableSpan) -> int | None:
    """Return the identity of the parent of a span."""
    return span.parent.span_id if span.parent is not None else None


def context_headers(number: int = 1) -> tuple[int, list[tuple[str, bytes]]]:
    """Return a trace and the headers of a record that another program has put into it."""
    trace_id = 0x0AF7651916CD43DD8448EB211C80319C + number
    return trace_id, [("traceparent", f"00-{trace_id:032x}-b7ad6b7169203331-01".encode())]


def values(record: Any, name: str) -> Sequence[bytes]:
    """Return the values of a header of a record of confluent-kafka, whatever the case of its name."""
    return [value for key, value in record.headers() or () if key.lower() == name]


def named(spans: Spans, name: str) -> list[Any]:
    """Return the ended spans of a name, in the order in which they ended."""
    return list(spans.named(name))
