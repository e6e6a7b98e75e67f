"""What each vector came to, written where UNBROKEN_CONFORMANCE says: the table of the documentation is made from it."""

import json
import os
from pathlib import Path

import pytest

_FOUND: dict[str, dict[str, str]] = {}
_FILE_OF = {
    "test_read": "extract",
    "test_extract": "extract",
    "test_inject": "inject",
    "test_process": "process",
    "test_send": "send",
    "test_forward": "forward",
}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name, _, vector = report.nodeid.rpartition("::")[2].rstrip("]").partition("[")
    if name not in _FILE_OF or (report.when != "call" and report.passed):
        return
    found = _FOUND.setdefault(_FILE_OF[name], {})
    if report.passed:
        found.setdefault(vector, "ok")
    else:
        found[vector] = f"differs: {report.outcome}"


def pytest_sessionfinish() -> None:
    path = os.environ.get("UNBROKEN_CONFORMANCE")
    if path and _FOUND:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(_FOUND, indent=1))
