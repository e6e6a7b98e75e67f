"""A shop on Kafka in a process of its own, what it tells on its standard output, and a client that orders there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import confluent_kafka
from confluent_kafka import TopicPartition
from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from tests.frameworks.exported import Exported, Pipe
from unbroken import attached, inject

ROOT = Path(__file__).parents[2]

_tracer = TracerProvider().get_tracer("customer")

Line = tuple[str, object]
"""What happened, and to what."""


class Worker:
    """A Python program in a process of its own, as a block; it is asked to end with the block.

    Args:
        command: the arguments of Python.
        environment: what its environment has besides ours.
        log: the file of its standard error.
    """

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._lines: list[Line] = []
        self._changed = threading.Condition()
        self._silent = False
        paths = os.pathsep.join((str(ROOT), str(ROOT / "src")))
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": paths, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text(errors="replace")

    def told(self, event: str) -> list[object]:
        """Return to what an event has happened so far, in order."""
        with self._changed:
            return [what for told, what in self._lines if told == event]

    def wait_for(self, true: Callable[[Worker], object], seconds: float = 60.0) -> None:
        """Return as soon as what it told makes something true.

        Raises:
            AssertionError: it did not in time, or it has ended before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._silent or true(self), seconds)
            assert true(self), f"{self._lines}; its last words:\n{self.log[-3000:]}"

    def status(self, seconds: float = 60.0) -> int:
        """Return with what status it ends by itself."""
        return self._process.wait(seconds)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.startswith("::"):  # what the framework prints
                continue
            event, _, what = line[2:].partition(" ")
            with self._changed:
                self._lines.append((event, json.loads(what)))
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Order:
    """A request that ordered something: its ids, hexadecimal."""

    name: str
    trace_id: str
    span_id: str


class Shop:
    """A shop that can be started, with topics of its own, and a client that orders there.

    Args:
        command: the arguments of Python that start it.
        bootstrap: the Kafka of both.
        folder: where it may keep its state, and its logs.
        environment: what its environment has besides SHOP_KAFKA, SHOP_NAME and SHOP_STATE.
    """

    def __init__(self, command: list[str], bootstrap: str, folder: Path, **environment: str) -> None:
        self.name = uuid.uuid4().hex[:8]
        self._command = command
        self.bootstrap = bootstrap
        self._folder = folder
        self._environment = {
            "SHOP_KAFKA": bootstrap,
            "SHOP_NAME": self.name,
            "SHOP_STATE": str(folder / "state"),
            **environment,
        }
        self._producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap})

    def create(self, *topics: str) -> None:
        """Make topics, as a Kafka does that is asked about one; each name begins with that of the shop."""
        until = time.monotonic() + 30
        for topic in topics:
            while (found := self._producer.list_topics(f"{self.name}{topic}", 30).topics.popitem()[1]).error:
                assert time.monotonic() < until, found.error

    def worker(self, *command: str) -> Worker:
        """Start the shop, or another program that knows it."""
        log = self._folder / f"worker-{uuid.uuid4().hex[:8]}.log"
        return Worker(list(command) or self._command, self._environment, log)

    def order(self, topic: str, do: str = "pay", **sent: Any) -> Order:
        """Order something inside a request of its own, whose customer is in the baggage."""
        name = uuid.uuid4().hex
        with (
            attached(baggage.set_baggage("customer", name, Context())),
            _tracer.start_as_current_span("request") as span,
        ):
            value = json.dumps({"id": name, "do": do}).encode()
            self.send(topic, **{"value": value, "headers": inject([("kind", b"order")]), **sent})
        request = span.get_span_context()
        return Order(name, f"{request.trace_id:032x}", f"{request.span_id:016x}")

    def send(self, topic: str, value: bytes, headers: Any) -> None:
        """Send one message."""
        self._producer.produce(f"{self.name}.{topic}", value, "customer", headers=headers)
        assert self._producer.flush(60) == 0

    def letter(self, sent: Exported) -> Any:
        """Return the message of a send span."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": uuid.uuid4().hex})
        told: dict[str, Any] = sent.attributes
        partition, offset = int(told["messaging.destination.partition.id"]), told["messaging.kafka.offset"]
        try:
            consumer.assign([TopicPartition(told["messaging.destination.name"], partition, offset)])
            (message,) = consumer.consume(1, 30)
        finally:
            consumer.close()
        return message

    def committed(self, topic: str, wanted: int, seconds: float = 30.0) -> int:
        """Return the offset that the shop has committed, as soon as it is the wanted one, or after so many seconds."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        until = time.monotonic() + seconds
        try:
            while True:
                (partition,) = consumer.committed([TopicPartition(f"{self.name}.{topic}", 0)], 30)
                offset: int = partition.offset
                if offset == wanted or time.monotonic() > until:
                    return offset
        finally:
            consumer.close()


class OpenShop(Shop):
    """A shop that is running, and its spans."""

    def __init__(self, command: list[str], bootstrap: str, folder: Path, pipe: Pipe, **environment: str) -> None:
        super().__init__(command, bootstrap, folder, SHOP_SPANS=str(pipe.path), **environment)
        self._pipe = pipe

    def spans(self, order: Order, count: int) -> list[Exported]:
        """Return the spans of the trace of an order, as soon as there are `count` of them."""
        return self.of_trace(order.trace_id, count)

    def of_trace(self, trace_id: str, count: int) -> list[Exported]:
        """Return the spans of a trace, as soon as there are `count` of them."""
        return self._pipe.of_trace(trace_id, count)

    def span(self, wanted: Callable[[Exported], bool]) -> Exported:
        """Return the first span that is wanted, as soon as it has ended."""
        spans = self._pipe.wait_for(lambda spans: any(map(wanted, spans)))
        return next(filter(wanted, spans))


def one(spans: list[Exported], name: str) -> Exported:
    """Return the span of this name, of which there is one."""
    (found,) = [span for span in spans if span.name == name]
    return found


def family(spans: list[Exported]) -> dict[str, str | None]:
    """Return the name of each span's parent, by its own; `request` for what is in no span of the shop."""
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_id or "", "request") for span in spans}


BAD_HEADERS: dict[str, list[tuple[str, Any]]] = {
    "not UTF-8": [("traceparent", b"\xff\xfe"), ("tracestate", b"\x80"), ("baggage", b"\xc3\x28")],
    "null": [("traceparent", None), ("tracestate", None), ("baggage", None)],
    "empty": [("traceparent", b""), ("tracestate", b""), ("baggage", b"")],
    "text that is none": [("traceparent", "00-zz-zz-zz"), ("TRACEPARENT", b"01")],
}
