"""Runs the suite in every environment of tox.ini that this machine has a Python for: `make test`.

Ends with one line per environment, with what was left out and how to get it, and with the sum of all tests. Left out is
a failure where everything has to run (CI=true).
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "results"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MAIN = "3.11"  # runs the real servers, frameworks, bare environment and packages; the newest found takes its place


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one environment came to."""

    environment: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    status: int

    def __str__(self) -> str:
        verdict = "ok" if self.status == 0 else "FAILED"
        return (
            f"{self.environment:17} {verdict:7} {self.passed:6} passed {self.failed:4} failed "
            f"{self.skipped:4} skipped {self.seconds:6.0f} s"
        )


def main(chosen: list[str]) -> int:
    """Return 0 when every environment passed and nothing that must run was left out."""
    pythons = {version: path for version in PYTHONS if (path := find_python(version))}
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    outcomes = []
    for environment in chosen or environments(list(pythons)):
        print(f"\n=== {environment}", flush=True)
        outcomes.append(run(environment, list(pythons.values())))
    left_out = [
        f"Python {version}: not found in PATH or in pyenv; pyenv install {version}"
        for version in PYTHONS
        if version not in pythons
    ]
    for report in sorted(RESULTS.glob("*.left-out")):
        left_out += [line for line in report.read_text().splitlines() if line not in left_out]

    print("\n=== environments", *outcomes, sep="\n")
    print("\n=== left out", *(left_out or ["nothing"]), sep="\n")
    print(f"\n{sum(each.passed for each in outcomes)} passed, {sum(each.failed for each in outcomes)} failed")
    incomplete = bool(left_out) and os.environ.get("CI") == "true"
    return int(incomplete or any(each.status for each in outcomes))


def environments(pythons: list[str]) -> list[str]:
    """The names of the environments to run, for these versions of Python, oldest first."""
    main = MAIN if MAIN in pythons else pythons[-1]
    name = {version: f"py{version.replace('.', '')}" for version in pythons}
    return [
        f"{name[main]}-real",
        *(f"{name[version]}-newest" for version in pythons if version != main),
        f"{name[pythons[0]]}-oldest",
        *(f"{name[main]}-{kind}" for kind in ("contrib", "frameworks", "faust", "quixstreams", "bare")),
        "packages",
    ]


def run(environment: str, pythons: list[Path]) -> Outcome:
    """Run one environment of tox.ini and read what its tests came to."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tox", "run", "-q", "-e", environment]
    # tox looks in PATH, where the shims of pyenv hide the versions that are not active.
    path = os.pathsep.join([*(str(python.parent) for python in pythons), os.environ["PATH"]])
    # In a group of its own, so that one signal from here ends tox and its pytest, which then stops its servers.
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PATH": path}, start_new_session=True) as tox:
        try:
            status = tox.wait()
        except KeyboardInterrupt:
            os.killpg(tox.pid, signal.SIGTERM)
            raise
    seconds = time.monotonic() - began
    report = RESULTS / f"{environment}.xml"
    if not report.exists():  # it was not even installed
        return Outcome(environment, 0, 1, 0, seconds, status or 1)
    suites = ET.parse(report).getroot().iter("testsuite")
    tests, failed, skipped = 0, 0, 0
    for suite in suites:
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    passed = tests - failed - skipped
    return Outcome(environment, passed, failed or int(status != 0), skipped, seconds, status)


def find_python(version: str) -> Path | None:
    """An interpreter of this version that runs: from PATH or from pyenv, the newest patch release."""
    return next((path for path in candidates(version) if is_python(path, version)), None)


def candidates(version: str) -> Iterator[Path]:
    """Where such an interpreter could be."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    patches = (home / "versions").glob(f"{version}.*/bin/python")
    yield from sorted(patches, key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.parts[-3])])[::-1]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(folder) / f"python{version}"


def is_python(path: Path, version: str) -> bool:
    """Whether it answers with this version; the shims of pyenv exist also for versions that are not active."""
    try:
        answer = subprocess.run(
            [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    return answer.stdout.strip() == version


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
