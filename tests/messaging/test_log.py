"""What the log says about telemetry: that no SDK is there, and what failed."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from tests.messaging.telemetry import message
from unbroken import process
from unbroken.messaging import tracing

MISSING = "No OpenTelemetry SDK is configured"


@pytest.fixture(autouse=True)
def a_fresh_process(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(tracing, "_is_sdk_missed", False)
    caplog.set_level(logging.INFO, "unbroken")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records if MISSING in record.getMessage()]


def test_without_an_sdk_the_first_message_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with process(message()):
            pass
    assert said(caplog) == ["INFO"]
    assert "set_tracer_provider" in caplog.text


def test_with_an_sdk_nothing_is_said(caplog: pytest.LogCaptureFixture, finished: Any) -> None:
    with process(message()):
        pass
    assert said(caplog) == []


def test_spans_that_are_switched_off_are_not_missed(
    caplog: pytest.LogCaptureFixture, use_policy: Any, finished: Any
) -> None:
    use_policy(spans=False)
    with process(message()):
        pass
    assert said(caplog) == []


PROGRAM = """
import logging
logging.basicConfig(level=logging.INFO)
from unbroken import inject, process
from unbroken.testing import Record
{sdk}
inject()
for _ in range(2):
    with process(Record("orders", 0, 0, None, None, [], 0.0)):
        pass
"""
SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


@pytest.mark.parametrize(("sdk", "times"), [("", 1), (SDK, 0)])
def test_an_sdk_that_is_set_after_the_import_is_seen(sdk: str, times: int) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(sdk=sdk)], stderr=subprocess.PIPE, text=True, check=True
    )
    assert finished.stderr.count(MISSING) == times


def test_an_internal_error_says_that_no_message_was_affected(caplog: pytest.LogCaptureFixture) -> None:
    tracing.log_internal_error("process", ValueError("no"))
    assert "Internal error in unbroken (process). The message was not affected." in caplog.text
