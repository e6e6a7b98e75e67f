"""The Kafka inside the confluent-kafka wheel: librdkafka's mock cluster, in this process, without a JVM.

It speaks to every client and process. Group joins take 3-4 s (assign partitions instead), CreateTopics is never
answered (producing makes a topic), and `read_committed` sees aborted records: test transactions on a real Kafka.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from confluent_kafka import Producer


class Embedded:
    """A mock cluster that lives as long as the `with` block."""

    def __init__(self, brokers: int = 1) -> None:
        self._brokers = brokers
        self._owner: Producer | None = None  # the client instance whose memory the cluster is part of
        self.bootstrap = ""

    def __enter__(self) -> "Embedded":
        self._owner = Producer({"test.mock.num.brokers": self._brokers})
        brokers = self._owner.list_topics(timeout=10).brokers.values()
        self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._owner = None


@contextmanager
def running() -> Iterator[str]:
    """The bootstrap address of a mock cluster of one broker that lives as long as the block."""
    with Embedded() as embedded:
        yield embedded.bootstrap
