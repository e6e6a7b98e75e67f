"""Runs every suite: in the environments of tox.ini that this machine has a Python for, and the companions: `make test`.

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
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services import Unavailable
from services import kafka as kafka_service
from tests.companions import Companion, companions, ended
from tests.conformance import results as conformance

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "results"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MAIN = "3.11"  # runs the real servers, frameworks, bare environment and packages; the newest found takes its place
COMPANIONS = {companion.name: companion for companion in companions()}


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
    for path in conformance.FOUND.values():
        path.unlink(missing_ok=True)
    outcomes = []
    chosen = chosen or environments(list(pythons))
    with ExitStack() as stack:
        build = stack.enter_context(building()) if any(map(needs_builds, chosen)) else None
        for environment in chosen:
            print(f"\n=== {environment}", flush=True)
            if build is not None and needs_builds(environment):
                build.wait()
            if environment in COMPANIONS:
                outcomes += run_companion(COMPANIONS[environment])
            else:
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
    differing = conformance.differences()
    if differing:
        print("\n=== conformance/results.json is not what was found: make conformance", *differing, sep="\n")
    print(f"\n{sum(each.passed for each in outcomes)} passed, {sum(each.failed for each in outcomes)} failed")
    incomplete = bool(left_out) and os.environ.get("CI") == "true"
    return int(incomplete or bool(differing) or any(each.status for each in outcomes))


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
        *COMPANIONS,
        f"{name[main]}-interop",
    ]


def needs_builds(environment: str) -> bool:
    """Whether an environment waits for `building`."""
    return environment in COMPANIONS or environment.endswith("-interop")


@contextmanager
def building() -> Iterator[subprocess.Popen[bytes]]:
    """The process that builds the stores of traces and the programs of interop, on the core that the suites leave idle.

    What it could not build is named by the environments that need it.
    """
    with (RESULTS / "builds.log").open("w") as log:
        command = ["nice", sys.executable, "-m", "interop", "--build"]
        build = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        yield build
    finally:
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGTERM)
        build.wait()


def run(environment: str, pythons: list[Path]) -> Outcome:
    """Run one environment of tox.ini and read what its tests came to."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tox", "run", "-q", "-e", environment]
    # tox looks in PATH, where the shims of pyenv hide the versions that are not active.
    path = os.pathsep.join([*(str(python.parent) for python in pythons), os.environ["PATH"]])
    status = ended(command, ROOT, {**os.environ, "PATH": path})
    seconds = time.monotonic() - began
    report = RESULTS / f"{environment}.xml"
    return outcome(environment, [report] if report.exists() else [], seconds, status)


def run_companion(companion: Companion) -> list[Outcome]:
    """Run the suite of a companion on a real Kafka; nothing comes back when this machine cannot, which is noted."""
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            companion.require()
            kafka = stack.enter_context(kafka_service.running())
        except Unavailable as error:
            leave_out(companion.name, error)
            return []
        try:
            also = companion.also()
        except Unavailable as error:
            leave_out(companion.name, error)
            also = {}
        for old in companion.found_reports():
            old.unlink()
        statuses = (companion.run(command, UNBROKEN_KAFKA=kafka, **also) for command in companion.commands)
        status = next(filter(None, statuses), 0)
    return [outcome(companion.name, companion.found_reports(), time.monotonic() - began, status)]


def leave_out(name: str, why: Unavailable) -> None:
    """Note what could not be run, for the end."""
    (RESULTS / f"{name}.left-out").write_text(f"{name}: {' '.join(str(why).split())}\n")


def outcome(name: str, reports: Iterable[Path], seconds: float, status: int) -> Outcome:
    """Return what the JUnit reports of a run come to; none at all is a failure, nothing was even installed."""
    cases = [case for report in reports for case in ET.parse(report).getroot().iter("testcase")]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    status = status or int(not cases)
    return Outcome(name, len(cases) - failed - skipped, failed or int(status != 0), skipped, seconds, status)


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
