"""The page of the documentation about quixstreams."""

from __future__ import annotations

from pathlib import Path

from services.kafka import Kafka
from tests.frameworks.pages import spans_of_page, trace_of


def test_the_program_of_the_page_makes_one_trace(own_kafka: Kafka, tmp_path: Path) -> None:
    spans = spans_of_page("quixstreams.md", "app.run(timeout=10)", own_kafka.bootstrap, tmp_path)
    assert sorted(span["name"] for span in trace_of(spans, "two orders")) == [
        "pay",
        "pay",
        "process orders",
        "process orders",
        "send orders",
        "send orders",
        "send orders.dead",
        "send payments",
        "two orders",
    ]
