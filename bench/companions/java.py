"""The Java programs: built with Maven, each figure from a JVM of its own."""

import json
import re
import shutil
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.companions.cells import BYTES, CPU, EVERYTHING, JAVA, OBSERVATION, OPENTELEMETRY
from bench.contenders import BARE, OURS, SAMPLED, UNSAMPLED
from bench.environments import ROOT

OPERATIONS = JAVA
TOOLS = ("javac", "mvn")
_TARGET = ROOT / "java" / "bench" / "target"

# Only what is measured: the suites and the judges of style have their own commands.
_BUILD = (
    "mvn -B -q -ntp -Pbench -pl bench -am package"
    " -DskipTests -Dspotless.check.skip -Dmaven.javadoc.skip -Dmaven.source.skip"
)

_CONTENDERS = {BARE: "BARE", OPENTELEMETRY: "OPENTELEMETRY", OBSERVATION: "OBSERVATION", OURS: "UNBROKEN"}
_CONDITIONS = {SAMPLED: "SAMPLED", UNSAMPLED: "UNSAMPLED", EVERYTHING: "EVERYTHING"}

# The compiler works while the program waits for it, so that a busy machine cannot keep it from its work; the collector
# that has no threads of its own; a heap that does not grow.
_JVM = ("-Xbatch", "-XX:+UseSerialGC", "-Xms512m", "-Xmx512m")

COMPARED = (
    "kafka-clients",
    "micrometer-observation",
    "micrometer-tracing-bridge-otel",
    "opentelemetry-api",
    "opentelemetry-kafka-clients-2.6",
    "opentelemetry-sdk",
    "opentelemetry-spring-kafka-2.7",
    "spring-kafka",
    "unbroken-kafka",
    "unbroken-spring-kafka",
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run: JVMs for each figure; iterations that warm up and that count, of so many operations each."""

    repeats: int = 3
    warm_up: int = 8
    iterations: int = 5
    operations: int = 50_000


FULL = Scale()
QUICK = Scale(repeats=1, warm_up=3, iterations=3, operations=10_000)


def prepare() -> None:
    """Build the measured programs from the tree."""
    subprocess.run(_BUILD.split(), cwd=ROOT / "java", check=True)


def measure(program: str, contender: str, condition: str, scale: Scale) -> dict[str, float]:
    """Return the CPU time of one operation in µs, and the bytes that it allocates."""
    batch = scale.operations // (2_000 if program.startswith("Container") else 1)  # records that one call delivers
    with tempfile.NamedTemporaryFile(suffix=".json") as results:
        subprocess.run(
            [
                *(_java(), *_JVM, "-cp", f"{_TARGET / 'classes'}:{_TARGET / 'lib'}/*", "dev.unbroken.bench.Main"),
                *("-f", "0", "-bm", "ss", "-prof", "dev.unbroken.bench.CostProfiler"),
                *("-wi", str(scale.warm_up), "-wbs", str(batch), "-i", str(scale.iterations), "-bs", str(batch)),
                *("-p", f"contender={_CONTENDERS[contender]}", "-p", f"carried={_CONDITIONS[condition]}"),
                *("-foe", "true", "-rf", "json", "-rff", results.name, f"{program}$"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        [found] = json.loads(Path(results.name).read_text())
    taken, allocated = (found["secondaryMetrics"][name]["rawData"][0] for name in ("cpu", "allocated"))
    return {CPU: statistics.median(taken) / 1000, BYTES: statistics.median(allocated)}


def versions() -> dict[str, str]:
    """Return the version of the JVM and of each library that is compared."""
    found = (re.fullmatch(r"(.+?)-(\d+\.\d+\.\d[\w.-]*)\.jar", jar.name) for jar in (_TARGET / "lib").iterdir())
    libraries = {match[1]: match[2] for match in found if match is not None}
    told = subprocess.run([_java(), "-version"], check=True, capture_output=True, text=True).stderr
    virtual_machine = re.search(r'version "([^"]+)"', told)
    return {
        "Java": virtual_machine[1] if virtual_machine else "",
        **{name: libraries[name] for name in COMPARED if name in libraries},
    }


def _java() -> str:
    return shutil.which("java") or "java"
