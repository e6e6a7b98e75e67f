"""What a worker process of Celery has recorded is exported when it ends, in whatever way it ends."""

from __future__ import annotations

import itertools
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.celery.conftest import Shop, opened_shop
from tests.frameworks.exported import Exported
from unbroken.messaging import semconv

EXPORTS = ["when told", "when told, set in the child"]
POOLS_WITHOUT_CHILDREN = ["threads", *(pool for pool in ("gevent", "eventlet") if find_spec(pool) is not None)]
METRICS = {semconv.PROCESS_DURATION, semconv.CONSUMED_MESSAGES}


@pytest.mark.parametrize("exports", EXPORTS)
@pytest.mark.parametrize("limit", ["--max-tasks-per-child=1", "--max-memory-per-child=1"])
def test_a_child_that_is_recycled_exports_first(rabbitmq: str, tmp_path: Path, limit: str, exports: str) -> None:
    with opened_shop(rabbitmq, "prefork", tmp_path, [limit], exports) as shop:
        _assert_told(shop, _executed(shop, 3))


@pytest.mark.parametrize(
    ("pool", "exports"),
    [*itertools.product(["prefork", "solo"], EXPORTS), *((pool, EXPORTS[0]) for pool in POOLS_WITHOUT_CHILDREN)],
)
def test_a_worker_that_is_shut_down_exports_first(rabbitmq: str, tmp_path: Path, pool: str, exports: str) -> None:
    with opened_shop(rabbitmq, pool, tmp_path, exports=exports) as shop:
        ids = _executed(shop, 3)
        shop.worker.stop()
        _assert_told(shop, ids)


def test_a_child_that_is_terminated_exports_first(rabbitmq: str, tmp_path: Path) -> None:
    with opened_shop(rabbitmq, "prefork", tmp_path, exports="when told") as shop:
        result = shop.app.send_task("tell_the_process")
        os.kill(result.get(timeout=30), signal.SIGTERM)
        _assert_told(shop, {result.id})


def _executed(shop: Shop, count: int) -> set[str]:
    """Return the ids of tasks that a worker has executed."""
    results: list[Any] = [shop.app.send_task("charge", ("order",)) for _ in range(count)]
    for result in results:
        result.get(timeout=30)
    return {result.id for result in results}


def _assert_told(shop: Shop, ids: set[str]) -> None:
    def is_told(spans: list[Exported]) -> bool:
        processed = {span.attributes[semconv.MESSAGE_ID] for span in spans if span.kind == "CONSUMER"}
        return processed == ids and {span.name for span in spans if span.kind == "METRIC"} >= METRICS

    shop.pipe.wait_for(is_told)
