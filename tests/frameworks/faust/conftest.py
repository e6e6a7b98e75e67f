"""The shop of faust on the embedded Kafka and on a real one.

The embedded Kafka never answers the request to create topics: the shop does not make them (`topic_allow_declare=False`,
`topic_disable_leader=True`).
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
TOPICS = (".orders", ".retries", ".paid", ".dead", ".packed", ".manual", ".late", "-add", "-counts-changelog")
SHOP = ["-m", "tests.frameworks.faust.shop", "worker", "--loglevel=warn", "--without-web"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the embedded Kafka cannot do: the framework makes the topic of its answers."""
    impossible = [item for item in items if item.name.startswith("test_who_asks") and "embedded" in item.name]
    if impossible:
        config.hook.pytest_deselected(items=impossible)
        items[:] = [item for item in items if item not in impossible]


@pytest.fixture(scope="session")
def shop(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    """A shop that survives what its tests order, on each Kafka in turn."""
    folder = tmp_path_factory.mktemp("faust")
    with Pipe(folder / "spans") as pipe:
        shop = OpenShop(SHOP, kafka, folder, pipe)
        shop.create(*TOPICS)
        with shop.worker():
            yield shop


@pytest.fixture(params=["plain", "traced"])
def shop_to_crash(request: pytest.FixtureRequest, real_kafka: str, tmp_path: Path) -> Shop:
    """A shop that is not running: on the framework's class, and on ours."""
    shop = Shop(SHOP, real_kafka, tmp_path, **({"SHOP_PLAIN": "1"} if request.param == "plain" else {}))
    shop.create(*TOPICS)
    return shop
