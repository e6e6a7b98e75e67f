"""The Node program: the package as it is published beside its peer, each figure from a process of its own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.companions.cells import CPU, NODE
from bench.environments import ENVIRONMENTS, ROOT

OPERATIONS = NODE
TOOLS = ("node", "npm")
_COMPANION = ROOT / "node"
_PROGRAM = _COMPANION / "bench"

COMPARED = (
    "@opentelemetry/api",
    "@opentelemetry/instrumentation-kafkajs",
    "@opentelemetry/sdk-trace-base",
    "kafkajs",
    "unbroken",
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is run: processes for each figure; ten slices in each, of so many messages, of which seven count."""

    repeats: int = 11
    operations: int = 20_000


FULL = Scale()
QUICK = Scale(repeats=1, operations=5_000)


def prepare() -> None:
    """Install the peer from its lock file, and the package that is made of the tree."""
    packed = ENVIRONMENTS / "node"
    packed.mkdir(parents=True, exist_ok=True)
    if not (_COMPANION / "node_modules").exists():
        _npm(_COMPANION, "ci")
    name = _npm(_COMPANION, "pack", "--pack-destination", str(packed)).split()[-1]
    _npm(_PROGRAM, "ci")
    _npm(_PROGRAM, "install", "--no-save", "--no-package-lock", str(packed / name))


def measure(program: str, contender: str, condition: str, scale: Scale) -> dict[str, float]:
    """Return the CPU time of one message in µs."""
    command = ["node", "run.mjs", program, contender, condition, str(scale.operations)]
    told = subprocess.run(command, cwd=_PROGRAM, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {CPU: json.loads(told)["cpu"]}


def versions() -> dict[str, str]:
    """Return the version of Node and of each package that is compared."""
    told = subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"Node": told.strip().removeprefix("v"), **{name: _version(name) for name in COMPARED}}


def _version(name: str) -> str:
    package: dict[str, Any] = json.loads((_PROGRAM / "node_modules" / Path(name) / "package.json").read_text())
    return str(package["version"])


def _npm(folder: Path, *arguments: str) -> str:
    command = ["npm", "--silent", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
