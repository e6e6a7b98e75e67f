"""Brings what was measured into the pages: `python docs/tables.py` rewrites what stands between the marks.

A mark is `<!-- begin NAME -->` to `<!-- end NAME -->`; a test holds that the pages show the committed findings.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench import table as measured  # noqa: E402 - found through the line above
from bench.behaviour import table as behaved  # noqa: E402
from bench.companions import table as companions  # noqa: E402


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a page that is made from a file of findings."""

    page: str
    mark: str
    source: str
    markdown: Callable[[dict[str, Any]], str]


def details(report: dict[str, Any]) -> str:
    """Return the findings and the versions that they were found with."""
    packages = {package: version for each in report["versions"].values() for package, version in each.items()}
    compared = [
        f"{package} {version}"
        for package, version in sorted(packages.items())
        if package.startswith("opentelemetry-instrumentation-") or package in measured.NAMED
    ]
    return f"{behaved.details(report)}\n{report['python']}, {', '.join(compared)}.\n"


def queues(report: dict[str, Any]) -> str:
    """Return the table of RabbitMQ and SQS."""
    return behaved.summary(report, behaved.QUEUES)


def queues_short(report: dict[str, Any]) -> str:
    """Return the part of it that the README has room for."""
    return behaved.summary(report, behaved.QUEUES, behaved.SHORT)


LANGUAGES = {"python": "Python", "java": "Java", "node": "Node"}


def conformance(report: dict[str, Any]) -> str:
    """Return a table for each file of vectors: what each came to in each language."""
    holding = []
    tables = []
    for file in report["python"]:
        vectors = json.loads((ROOT / "conformance" / f"{file}.json").read_text())["vectors"]
        results = [report.get(language, {}).get(file, {}) for language in LANGUAGES]
        hold = (f"{sum(result == 'ok' for result in found.values())} hold" for found in results)
        holding.append((f"[`{file}.json`](#{file})", str(len(vectors)), *hold))
        rows = (
            (f"`{each['id']}`", _cell(each["about"]), *(found.get(each["id"], "not run") for found in results))
            for each in vectors
        )
        tables.append(measured.Table(file, ("vector", "shows", *LANGUAGES.values()), tuple(rows)))
    summary = measured.Table("All", ("vectors of", "number", *LANGUAGES.values()), tuple(holding))
    return "\n".join(map(measured.grid, (summary, *tables)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


SHOWN = (
    Shown("docs/conformance.md", "conformance", "conformance/results.json", conformance),
    Shown("README.md", "behaviour", "bench/behaviour.json", behaved.summary),
    Shown("README.md", "behaviour-queues", "bench/behaviour-queues.json", queues_short),
    Shown("docs/behaviour.md", "details", "bench/behaviour.json", details),
    Shown("docs/behaviour.md", "queues", "bench/behaviour-queues.json", queues),
    Shown("docs/behaviour.md", "details-queues", "bench/behaviour-queues.json", details),
    Shown("docs/benchmarks.md", "results", "bench/results.json", measured.markdown),
    Shown("docs/benchmarks.md", "companions", "bench/companions.json", companions.markdown),
)


def with_findings(shown: Shown) -> str:
    """Return the page as it must be, with the findings of the committed file."""
    page = (ROOT / shown.page).read_text()
    text = shown.markdown(json.loads((ROOT / shown.source).read_text()))
    begin, end = f"<!-- begin {shown.mark} -->", f"<!-- end {shown.mark} -->"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", page)


def main() -> int:
    """Rewrite the pages whose findings exist."""
    for shown in SHOWN:
        if (ROOT / shown.source).exists():
            (ROOT / shown.page).write_text(with_findings(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
