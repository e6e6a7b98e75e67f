"""Workers of the shop on real brokers, and an app that publishes to them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("celery")
pytest.importorskip("opentelemetry.sdk")

import boto3
from celery import Celery
from opentelemetry import trace

from tests.frameworks.celery import settings
from tests.frameworks.celery.worker import CeleryWorker
from tests.frameworks.exported import Exported, Pipe
from unbroken.frameworks.celery import instrument, uninstrument
from unbroken.testing import Spans


@dataclass(frozen=True, slots=True)
class Shop:
    """A running worker, and where its spans come in."""

    app: Celery
    broker: str
    queue: str
    pipe: Pipe
    worker: CeleryWorker

    def order(self, task: str, count: int, **options: Any) -> Order:
        """Publish one task inside a request, and return what became of it once the trace has `count` spans there."""
        order = uuid.uuid4().hex
        with trace.get_tracer("web").start_as_current_span("request") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            self.app.send_task(task, (order,), **options)
        return self.came_of(order, trace_id, count)

    def came_of(self, order: str, trace_id: str, count: int) -> Order:
        """Return the order once its trace has `count` spans in the worker."""
        return Order(order, trace_id, self.pipe.of_trace(trace_id, count))


@dataclass(frozen=True, slots=True)
class Order:
    """The spans that a worker made in the trace of one request."""

    name: str
    trace_id: str
    spans: list[Exported]

    def named(self, name: str) -> list[Exported]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def of(self, kind: str) -> list[Exported]:
        """Return the spans of a kind."""
        return [span for span in self.spans if span.kind == kind]


SHOPS = {
    "rabbitmq-solo": ("rabbitmq", "solo"),
    "rabbitmq-prefork": ("rabbitmq", "prefork"),
    "rabbitmq-threads": ("rabbitmq", "threads"),
    "sqs-solo": ("elasticmq", "solo"),
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shops(*names): the workers that a test runs on, instead of all")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shop" in metafunc.fixturenames:
        unwanted = metafunc.config.getoption("--without").split(",")
        mark = metafunc.definition.get_closest_marker("shops")
        wanted = [name for name in (mark.args if mark else SHOPS) if SHOPS[name][0] not in unwanted]
        metafunc.parametrize("shop", wanted, indirect=True, scope="session")


@pytest.fixture(autouse=True)
def requests_are_traced(spans: Spans) -> None:
    """A request has a trace, whichever test is the first to run."""


@pytest.fixture(scope="session")
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A worker of each kind in turn."""
    server, pool = SHOPS[request.param]
    broker: str = request.getfixturevalue(server)
    with opened_shop(broker, pool, tmp_path_factory.mktemp(request.param)) as shop:
        yield shop


@contextmanager
def opened_shop(
    broker: str, pool: str, folder: Path, arguments: Sequence[str] = (), exports: str = "at once"
) -> Iterator[Shop]:
    """A worker with queues of its own, for a block."""
    queue = f"shop-{uuid.uuid4().hex[:8]}"
    app = Celery("customer", set_as_current=False)
    settings.configure(app, broker, queue)
    if not broker.startswith("amqp"):
        _make_queues(broker, queue)
    instrument(app)
    instrument(app)  # twice is once
    try:
        with (
            Pipe(folder / "spans") as pipe,
            CeleryWorker(pool, broker, queue, pipe.path, folder, arguments, exports) as worker,
        ):
            app.conf.result_backend = worker.results
            yield Shop(app, broker, queue, pipe, worker)
    finally:
        uninstrument(app)
        app.close()


def _make_queues(endpoint: str, queue: str) -> None:
    """Make a queue of SQS whose messages are dead-lettered when they come a second time."""
    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    dead = client.create_queue(QueueName=f"{queue}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    client.create_queue(QueueName=queue, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "2"})
    client.close()
