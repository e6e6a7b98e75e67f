"""Applications that know nothing of tracing, run by `opentelemetry-instrument`, and the spans that they exported."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "apps"
PATIENCE = 90
"""Seconds that an application may take."""
LAUNCHER = Path(sys.executable).with_name("opentelemetry-instrument")


@dataclass(frozen=True)
class Span:
    """An exported span; ids in hexadecimal."""

    name: str
    kind: str
    id: str
    trace: str
    parent: str
    links: list[str]
    attributes: dict[str, Any]
    scope: str
    failed: bool


@dataclass(frozen=True)
class Run:
    """What is left of an application: its spans in the order in which they were exported, its output, its log."""

    spans: list[Span]
    output: list[str]
    log: str
    by_name: dict[str, list[Span]] = field(init=False)

    def __post_init__(self) -> None:
        names: dict[str, list[Span]] = {}
        for span in self.spans:
            names.setdefault(span.name, []).append(span)
        object.__setattr__(self, "by_name", names)

    def of(self, kind: str) -> list[Span]:
        """The spans of a kind."""
        return [span for span in self.spans if span.kind == kind]

    def one(self, name: str) -> Span:
        """The only span of this name."""
        (span,) = self.by_name.get(name, [])
        return span

    def parent(self, name: str) -> Span | None:
        """The span above the only span of this name, None for a root."""
        return next((span for span in self.spans if span.id == self.one(name).parent), None)

    def path(self, name: str) -> list[str]:
        """The names from the only span of this name up to its root."""
        by_id = {span.id: span for span in self.spans}
        span: Span | None = self.one(name)
        names = []
        while span is not None:
            names.append(span.name)
            span = by_id.get(span.parent)
        return names


def run(app: str, *args: str, folder: Path, **variables: str) -> Run:
    """Run an application from `apps`, with these arguments and environment variables, and return what it left."""
    plugin = folder / "tests_configurator-0.dist-info"
    plugin.mkdir(exist_ok=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: tests-configurator\nVersion: 0\n")
    (plugin / "entry_points.txt").write_text(
        "[opentelemetry_configurator]\ntests = tests.instrumentation.exporting:Configurator\n"
    )
    spans = folder / "spans.jsonl"
    spans.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{LAUNCHER.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "SPANS_FILE": str(spans),
        "OTEL_PYTHON_CONFIGURATOR": "tests",
        **variables,
    }
    command = [str(LAUNCHER), "python", str(APPS / f"{app}.py"), *args]
    answer = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert answer.returncode == 0, answer.stderr
    lines = spans.read_text().splitlines() if spans.exists() else []
    return Run([Span(**json.loads(line)) for line in lines], answer.stdout.splitlines(), answer.stderr)
