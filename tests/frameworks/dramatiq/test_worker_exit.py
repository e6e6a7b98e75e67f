"""What a worker process of dramatiq has recorded is exported when it ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dramatiq import Message

from tests.frameworks.dramatiq.conftest import opened_shop
from tests.frameworks.exported import Exported
from unbroken.messaging import semconv

METRICS = {semconv.PROCESS_DURATION, semconv.CONSUMED_MESSAGES, semconv.QUEUE_DURATION}


def test_a_worker_that_is_shut_down_exports_first(rabbitmq: str, tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    os.mkfifo(answers)
    with opened_shop(rabbitmq, tmp_path, "when told") as shop:
        shop.broker.enqueue(Message(shop.queue, "answer", (str(answers),), {}, {}))
        assert answers.read_text() == "here"
        shop.worker.send_signal(signal.SIGTERM)
        spans = shop.pipe.wait_for(_is_told)
    assert [span.name for span in spans if span.kind == "CONSUMER"] == ["process answer"]
    assert {str(span.attributes[semconv.SYSTEM]) for span in spans if span.kind in ("CONSUMER", "METRIC")} == {
        "rabbitmq"
    }


def _is_told(spans: list[Exported]) -> bool:
    return {"CONSUMER", "METRIC"} <= {span.kind for span in spans} and {span.name for span in spans} >= METRICS
