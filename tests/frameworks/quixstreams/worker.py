"""A shop in a process of its own, and what it tells on its standard output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[3]

Line = tuple[str, object]
"""What happened, and to what."""


class Worker:
    """A Python program in a process of its own, as a block; it is asked to end with the block.

    Args:
        command: the arguments of Python.
        environment: what its environment has besides ours.
        log: the file of its standard error.
    """

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        self._lines: list[Line] = []
        self._changed = threading.Condition()
        self._silent = False
        paths = os.pathsep.join((str(ROOT), str(ROOT / "src")))
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": paths, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text(errors="replace")

    def told(self, event: str) -> list[object]:
        """Return to what an event has happened so far, in order."""
        with self._changed:
            return [what for told, what in self._lines if told == event]

    def wait_for(self, true: Callable[[Worker], object], seconds: float = 60.0) -> None:
        """Return as soon as what it told makes something true.

        Raises:
            AssertionError: it did not in time, or it has ended before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._silent or true(self), seconds)
            assert true(self), f"{self._lines}; its last words:\n{self.log[-3000:]}"

    def status(self, seconds: float = 60.0) -> int:
        """Return with what status it ends by itself."""
        return self._process.wait(seconds)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event, _, what = line.partition(" ")
            with self._changed:
                self._lines.append((event, json.loads(what)))
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()
