"""A run of the demo, and what it left."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unbroken.demo.traces import Span, Trace, traces_of

CLIENTS = {"confluent-kafka": "confluent_kafka", "aiokafka": "aiokafka", "kafka-python": "kafka"}
"""The name that each client is imported by."""


@dataclass(frozen=True)
class Shown:
    """What a run of the demo left: its exit status, its output and the page."""

    status: int
    output: str
    errors: str
    page: Path

    def traces(self, scenario: str, side: str) -> tuple[Trace, ...]:
        """The traces of one column of the page, from its raw spans."""
        section = self.page.read_text().partition(f'<section id="{scenario}"')[2].partition("</section>")[0]
        column = section.partition(f'<div class="column {side}">')[2].partition('<div class="column')[0]
        lines = [html.unescape(line) for line in re.findall(r"^(?:<pre>)?(\{.*\})$", column, re.MULTILINE)]
        return traces_of(Span.from_json(json.loads(line)) for line in lines)


def run_demo(folder: Path, *arguments: str, program: Sequence[str] = ("-m", "unbroken")) -> Shown:
    """`unbroken demo` in a process of its own, in an empty folder."""
    page = folder / "page.html"
    command = [sys.executable, *program, "demo", "--html", str(page), *arguments]
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=120)
    return Shown(done.returncode, done.stdout, done.stderr, page)
