"""A worker of the shop on a real RabbitMQ, and a broker that enqueues to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dramatiq")
pytest.importorskip("opentelemetry.sdk")

from dramatiq import Message
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from opentelemetry import trace

from tests.frameworks.exported import Exported, Pipe
from unbroken.frameworks.dramatiq import UnbrokenMiddleware
from unbroken.testing import Spans

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Shop:
    """A running worker, and where its spans come in."""

    broker: RabbitmqBroker
    url: str
    queue: str
    pipe: Pipe
    worker: subprocess.Popen[bytes]

    def order(self, actor: str, count: int, *, delay: int | None = None) -> Order:
        """Enqueue one message inside a request, and return what became of it once there are `count` spans of it."""
        with trace.get_tracer("web").start_as_current_span("request") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            self.broker.enqueue(self.message(actor), delay=delay)
        return Order(trace_id, self.pipe.of_trace(trace_id, count))

    def message(self, actor: str, **options: Any) -> Message[Any]:
        """Return a message with the name of an order that nobody else has."""
        return Message(self.queue, actor, (uuid.uuid4().hex,), {}, options)


@dataclass(frozen=True, slots=True)
class Order:
    """The spans that a worker made in the trace of one request."""

    trace_id: str
    spans: list[Exported]

    def named(self, name: str) -> list[Exported]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def of(self, kind: str) -> list[Exported]:
        """Return the spans of a kind."""
        return [span for span in self.spans if span.kind == kind]


@pytest.fixture(autouse=True)
def requests_are_traced(spans: Spans) -> None:
    """A request has a trace, whichever test is the first to run."""


@pytest.fixture(scope="session")
def shop(rabbitmq: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One worker for all tests."""
    with opened_shop(rabbitmq, tmp_path_factory.mktemp("dramatiq")) as shop:
        yield shop


@contextmanager
def opened_shop(url: str, folder: Path, exports: str = "at once") -> Iterator[Shop]:
    """A worker with a queue of its own, for a block."""
    queue = f"shop-{uuid.uuid4().hex[:8]}"
    broker = RabbitmqBroker(url=url, confirm_delivery=True)
    broker.add_middleware(UnbrokenMiddleware())
    try:
        with Pipe(folder / "spans") as pipe, _worker(url, queue, pipe.path, folder, exports) as worker:
            yield Shop(broker, url, queue, pipe, worker)
    finally:
        broker.close()


@contextmanager
def _worker(url: str, queue: str, spans: Path, folder: Path, exports: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SHOP_BROKER": url, "SHOP_QUEUE": queue, "SHOP_SPANS": str(spans)}
    environment["SHOP_EXPORTS"] = exports
    environment |= {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))), "dramatiq_worker_timeout": "100"}
    command = [
        sys.executable,
        "-m",
        "dramatiq",
        "tests.frameworks.dramatiq.shop:broker",
        "--processes=1",
        "--threads=2",
    ]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
