"""The program of a page about a framework, run as it stands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, blocks


def spans_of_page(page: str, last: str, bootstrap: str, folder: Path, until: str = "") -> list[dict[str, Any]]:
    """Return the spans that the program of a page prints; its other blocks of Python run before its last statement.

    Args:
        page: the name of the page.
        last: how the last statement of the program begins.
        bootstrap: the Kafka that it finds in its environment.
        folder: where the program is put.
        until: the name of a span after which it is stopped; without it, it ends by itself.
    """
    program, *others = (block.text for block in blocks(ROOT / "docs/frameworks" / page) if block.language == "python")
    first, found, end = program.partition(last)
    assert found
    file = folder / "program.py"
    file.write_text("\n".join((first, *others, last + end)))
    with (folder / "log").open("w+") as log:
        command, environment = [sys.executable, str(file)], {**os.environ, "KAFKA": bootstrap}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            late = threading.Timer(120, process.kill)
            late.start()
            assert process.stdout is not None
            printed = ""
            for line in process.stdout:
                printed += line
                if until and f'"name": "{until}"' in line:
                    process.send_signal(signal.SIGTERM)
            late.cancel()
        assert process.returncode == 0, (folder / "log").read_text()
    return _objects(printed)


def trace_of(spans: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the spans in the trace of the span of a name."""
    (trace_id,) = [span["context"]["trace_id"] for span in spans if span["name"] == name]
    return [span for span in spans if span["context"]["trace_id"] == trace_id]


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects in a text."""
    decoder, found = json.JSONDecoder(), []
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
            found.append(value)
        except ValueError:
            end = start + 1
        start = text.find("{", end)
    return found
