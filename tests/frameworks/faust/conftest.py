"""The shop of faust on a real Kafka.

The framework makes only its own topics; those of an application have to be there when it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("faust")

from tests.frameworks.exported import Pipe
from tests.frameworks.kafka_shop import OpenShop, Shop

collect_ignore = ["customer.py", "shop.py"]  # programs
TOPICS = ("orders", "retries", "paid", "dead", "packed", "manual", "late")
SHOP = ["-m", "tests.frameworks.faust.shop", "worker", "--loglevel=warn", "--without-web"]


@pytest.fixture(scope="session")
def shop(real_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    """A shop that survives what its tests order."""
    folder = tmp_path_factory.mktemp("faust")
    with Pipe(folder / "spans") as pipe:
        shop = OpenShop(SHOP, real_kafka, folder, pipe)
        shop.create(*TOPICS)
        with shop.worker():
            yield shop


@pytest.fixture(params=["plain", "traced"])
def shop_to_crash(request: pytest.FixtureRequest, real_kafka: str, tmp_path: Path) -> Shop:
    """A shop that is not running: on the framework's class, and on ours."""
    shop = Shop(SHOP, real_kafka, tmp_path, **({"SHOP_PLAIN": "1"} if request.param == "plain" else {}))
    shop.create(*TOPICS)
    return shop
