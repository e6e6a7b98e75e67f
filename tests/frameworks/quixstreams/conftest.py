"""The shop of quixstreams on a real Kafka.

The embedded Kafka never answers the request to create topics with which the framework begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("quixstreams")

from tests.frameworks.exported import Pipe
from tests.frameworks.kafka_shop import OpenShop, Shop

collect_ignore = ["shop.py"]  # a program
SHOP = ["-m", "tests.frameworks.quixstreams.shop"]


@pytest.fixture(scope="session")
def shop(real_kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    """A shop that survives what its tests order."""
    folder = tmp_path_factory.mktemp("quixstreams")
    with Pipe(folder / "spans") as pipe:
        shop = OpenShop(SHOP, real_kafka, folder, pipe)
        with shop.worker():
            yield shop


@pytest.fixture(params=["plain", "traced"])
def shop_to_crash(request: pytest.FixtureRequest, real_kafka: str, tmp_path: Path) -> Shop:
    """A shop that is not running: on the framework's class, and on ours."""
    return Shop(SHOP, real_kafka, tmp_path, **({"SHOP_PLAIN": "1"} if request.param == "plain" else {}))
