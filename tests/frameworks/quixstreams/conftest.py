"""The shop of quixstreams on a real Kafka, and a plain client that orders there.

The embedded Kafka never answers the request to create topics with which the framework begins.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("quixstreams")

from opentelemetry import baggage  # noqa: E402 - only where quixstreams is
from opentelemetry.context import Context  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402

from tests.frameworks.exported import Exported, Pipe  # noqa: E402
from tests.frameworks.quixstreams.worker import Worker  # noqa: E402
from unbroken import attached, inject  # noqa: E402

collect_ignore = ["shop.py"]  # a program

tracer = TracerProvider().get_tracer("customer")


@dataclass(frozen=True, slots=True)
class Order:
    """A request that ordered something: its ids, hexadecimal."""

    name: str
    trace_id: str
    span_id: str


class Shop:
    """A running shop, where its spans come in, and a client that orders there."""

    def __init__(self, bootstrap: str, folder: Path, **environment: str) -> None:
        self.name = uuid.uuid4().hex[:8]
        self.bootstrap = bootstrap
        self._folder = folder
        self._environment = {
            "SHOP_KAFKA": bootstrap,
            "SHOP_NAME": self.name,
            "SHOP_STATE": str(folder / "state"),
            **environment,
        }
        self._producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})

    def worker(self) -> Worker:
        """Start the shop."""
        log = self._folder / f"worker-{uuid.uuid4().hex[:8]}.log"
        return Worker(["-m", "tests.frameworks.quixstreams.shop"], self._environment, log)

    def order(self, topic: str, do: str = "pay", **sent: Any) -> Order:
        """Order something inside a request of its own, whose customer is in the baggage."""
        name = uuid.uuid4().hex
        with (
            attached(baggage.set_baggage("customer", name, Context())),
            tracer.start_as_current_span("request") as span,
        ):
            value = json.dumps({"id": name, "do": do}).encode()
            self.send(topic, **{"value": value, "headers": inject([("kind", b"order")]), **sent})
        request = span.get_span_context()
        return Order(name, f"{request.trace_id:032x}", f"{request.span_id:016x}")

    def send(self, topic: str, value: bytes, headers: Any) -> None:
        """Send one message."""
        self._producer.produce(f"{self.name}.{topic}", value, "customer", headers=headers)
        assert self._producer.flush(60) == 0

    def letters(self, topic: str, count: int) -> list[Any]:
        """Return the first messages of a topic."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": uuid.uuid4().hex})
        try:
            consumer.assign([confluent_kafka.TopicPartition(f"{self.name}.{topic}", 0, 0)])
            messages = consumer.consume(count, 30)
        finally:
            consumer.close()
        assert len(messages) == count
        return list(messages)

    def committed(self, topic: str) -> int:
        """Return the offset that the shop has committed."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        try:
            (partition,) = consumer.committed([confluent_kafka.TopicPartition(f"{self.name}.{topic}", 0)], 30)
        finally:
            consumer.close()
        offset: int = partition.offset
        return offset


class OpenShop(Shop):
    """A shop that is running, and its spans."""

    def __init__(self, bootstrap: str, folder: Path, pipe: Pipe) -> None:
        super().__init__(bootstrap, folder, SHOP_SPANS=str(pipe.path))
        self._pipe = pipe

    def spans(self, order: Order, count: int) -> list[Exported]:
        """Return the spans of the trace of an order, as soon as there are `count` of them."""
        return self._pipe.of_trace(order.trace_id, count)

    def span(self, wanted: Callable[[Exported], bool]) -> Exported:
        """Return the first span that is wanted, as soon as it has ended."""
        spans = self._pipe.wait_for(lambda spans: any(map(wanted, spans)))
        return next(filter(wanted, spans))


@pytest.fixture(scope="session")
def shop(real_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    """A shop that survives what its tests order."""
    folder = tmp_path_factory.mktemp("quixstreams")
    with Pipe(folder / "spans") as pipe:
        shop = OpenShop(real_kafka, folder, pipe)
        with shop.worker():
            yield shop


@pytest.fixture(params=["plain", "traced"])
def shop_to_crash(request: pytest.FixtureRequest, real_kafka: str, tmp_path: Path) -> Shop:
    """A shop that is not running: on the framework's class, and on ours."""
    return Shop(real_kafka, tmp_path, **({"SHOP_PLAIN": "1"} if request.param == "plain" else {}))
