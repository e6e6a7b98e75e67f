"""One virtual environment per contender, made from a locked requirements file."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "bench" / "peers"
ENVIRONMENTS = ROOT / ".bench"

OURS = "unbroken"


def interpreter(name: str) -> Path:
    """Return the interpreter of the environment `name`, which is made when there is none for its present lock."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    stamp = folder / "lock.sha256"
    lock = _fingerprint(name)
    if not stamp.exists() or stamp.read_text() != lock:
        venv.create(folder, clear=True, with_pip=True)
        _pip(python, "install", "--quiet", "--requirement", str(LOCKS / f"{name}.txt"))
        stamp.write_text(lock)
    return python


def install_the_tree() -> None:
    """Install unbroken as it is in the tree now; its dependencies are locked like those of the peers."""
    _pip(interpreter(OURS), "install", "--quiet", "--no-deps", "--force-reinstall", str(ROOT))


def versions(name: str) -> dict[str, str]:
    """Return the version of every package in the environment `name`."""
    lines = _pip(interpreter(name), "list", "--format", "freeze").splitlines()
    packages = dict(line.split("==", 1) for line in lines if "==" in line)
    return {package: version for package, version in packages.items() if package not in {"pip", "setuptools"}}


def revision() -> str:
    """Return the revision of the tree, with `-dirty` when it was changed since; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()


def variables() -> dict[str, str]:
    """Return this process's environment variables without those that configure a tracer or the interpreter."""
    foreign = ("OTEL_", "DD_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _fingerprint(name: str) -> str:
    """Return what an environment is made from: the interpreter, its lock and the one that another may include."""
    digest = hashlib.sha256(sys.version.encode())
    for lock in sorted({name, "opentelemetry"}):
        digest.update((LOCKS / f"{lock}.txt").read_bytes())
    return digest.hexdigest()


def _pip(python: Path, *arguments: str) -> str:
    command = [str(python), "-m", "pip", *arguments]
    return subprocess.run(command, check=True, env=variables(), stdout=subprocess.PIPE, text=True).stdout
