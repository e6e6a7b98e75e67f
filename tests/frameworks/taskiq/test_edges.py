"""taskiq: the end of a worker process, `instrument`, what tests replace, and the system that all telemetry names."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from taskiq import InMemoryBroker, SimpleRetryMiddleware, TaskiqMessage

from tests.frameworks.conftest import Systems
from tests.frameworks.exported import Exported, Pipe
from tests.frameworks.taskiq.conftest import on_rabbitmq, working
from unbroken.frameworks.taskiq import UnbrokenMiddleware, instrument
from unbroken.testing import Spans

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("arguments", [[], ["--max-tasks-per-child=1"]], ids=["terminated", "recycled"])
async def test_a_worker_process_that_ends_exports_first(
    rabbitmq: str, name: str, tmp_path: Path, arguments: list[str]
) -> None:
    answers = tmp_path / "answers"
    os.mkfifo(answers)
    sender = on_rabbitmq(rabbitmq, name)
    with Pipe(tmp_path / "spans") as pipe:
        environment = {"SHOP_SPANS": str(pipe.path), "SHOP_BROKER": rabbitmq, "SHOP_QUEUE": name}
        environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "src")))
        command = [sys.executable, "-m", "taskiq", "worker", "tests.frameworks.taskiq.shop:broker", "--workers=1"]
        with (tmp_path / "log").open("wb") as log:
            worker = subprocess.Popen(  # noqa: ASYNC220 - its start is waited for below
                [*command, *arguments], cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        try:
            await sender.startup()
            message = TaskiqMessage(task_id="1", task_name="answer", labels={}, args=[str(answers)], kwargs={})
            await sender.kick(sender.formatter.dumps(message))
            await sender.shutdown()
            assert await asyncio.to_thread(answers.read_text) == "here"
            if not arguments:
                worker.send_signal(signal.SIGTERM)
            spans = await asyncio.to_thread(pipe.wait_for, _is_told)
        finally:
            worker.terminate()
            worker.wait(30)
    assert [span.name for span in spans if span.kind == "CONSUMER"] == ["process answer"]


def _is_told(spans: list[Exported]) -> bool:
    return {"CONSUMER", "METRIC"} <= {span.kind for span in spans}


async def test_instrument_puts_the_middleware_first_and_once(memory: InMemoryBroker, spans: Spans) -> None:
    memory.add_middlewares(SimpleRetryMiddleware())
    assert instrument(memory) is memory
    assert instrument(memory) is memory
    assert [type(one) for one in memory.middlewares] == [UnbrokenMiddleware, SimpleRetryMiddleware]

    @memory.task(task_name="pay")
    async def pay() -> None: ...

    async with working(memory):
        await pay.kiq()
    assert sorted(span.name for span in spans.finished) == ["process pay", "send pay"]


async def test_a_kick_that_a_test_has_replaced_sends_nothing(memory: InMemoryBroker, spans: Spans) -> None:
    instrument(memory)
    executed: list[int] = []

    @memory.task(task_name="pay")
    async def pay() -> None:
        executed.append(1)

    async with working(memory):
        with mock.patch.object(InMemoryBroker, "kick") as kick:
            await pay.kiq()
        assert (kick.await_count, executed) == (1, [])
        await pay.kiq()
    assert executed == [1]


async def test_spans_and_metrics_name_the_broker_in_use(spans: Spans, systems: Systems) -> None:
    class ListQueueBroker(InMemoryBroker):
        queue_name = "shop"

    ListQueueBroker.__module__ = "taskiq_redis.redis_broker"
    broker: Any = instrument(ListQueueBroker())

    @broker.task(task_name="pay")
    async def pay() -> None: ...

    async with working(broker):
        await pay.kiq()
        given = TaskiqMessage(task_id="1", task_name="pay", labels={"traceparent": "no context"}, args=[], kwargs={})
        await broker.receiver.callback(broker.formatter.dumps(given).message, raise_err=True)
    found = [dict(span.attributes or {}) for span in spans.finished]
    assert [(one["messaging.system"], one["messaging.destination.name"]) for one in found] == [("redis", "shop")] * 3
    assert systems() == {
        "messaging.client.operation.duration": {"redis"},
        "messaging.client.sent.messages": {"redis"},
        "messaging.client.consumed.messages": {"redis"},
        "messaging.process.duration": {"redis"},
        "unbroken.carriers.malformed": {"redis"},
    }


@pytest.mark.parametrize("labels", [{"queue_name": None}, {"_retries": None}], ids=str)
async def test_no_attribute_is_none_or_its_text(memory: InMemoryBroker, spans: Spans, labels: dict[str, Any]) -> None:
    instrument(memory)

    @memory.task(task_name="pay")
    async def pay() -> None: ...

    async with working(memory):
        await pay.kicker().with_labels(**labels).kiq()
    values = [value for span in spans.finished for value in dict(span.attributes or {}).values()]
    assert [value for value in values if value is None or "None" in str(value)] == []
