"""A shop on taskiq, as a worker runs it: `taskiq worker tests.frameworks.taskiq.shop:broker`."""

from __future__ import annotations

import os
from pathlib import Path

from taskiq import InMemoryBroker
from taskiq.abc.broker import AsyncBroker

from tests.frameworks.exported import export_when_told
from unbroken.frameworks.taskiq import instrument


def make_broker() -> AsyncBroker:
    """Return the broker of the environment: of a worker, or of who collects tests."""
    if "SHOP_SPANS" not in os.environ:
        return InMemoryBroker()
    from tests.frameworks.taskiq.conftest import on_rabbitmq

    export_when_told(os.environ["SHOP_SPANS"])
    broker: AsyncBroker = on_rabbitmq(os.environ["SHOP_BROKER"], os.environ["SHOP_QUEUE"])
    return instrument(broker)


broker = make_broker()


@broker.task(task_name="answer")
def answer(path: str) -> None:
    Path(path).write_text("here")
