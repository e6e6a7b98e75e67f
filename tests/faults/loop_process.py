"""A producing or consuming loop in a process of its own, and the events that it tells."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tests.faults.events import Event, read

ROOT = Path(__file__).parents[2]
E = TypeVar("E", bound=Event)


class LoopProcess:
    """`produce` or `consume` of a module of this folder; it ends with the block, and with its starter."""

    def __init__(self, module: str, role: str, bootstrap: str, topic: str, log: Path) -> None:
        self.role = role
        self._log = log
        self._events: list[Event] = []
        self._changed = threading.Condition()  # its lock is re-entrant: a condition may call `of`
        self._silent = False
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"tests.faults.{module}", role, bootstrap, topic],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> LoopProcess:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    @property
    def log(self) -> str:
        """What the process wrote to standard error."""
        return self._log.read_text(errors="replace")

    def of(self, kind: type[E]) -> list[E]:
        """Return the events of one kind so far."""
        with self._changed:
            return [event for event in self._events if isinstance(event, kind)]

    def wait_for(self, true: Callable[[], object], what: str, seconds: float) -> None:
        """Return as soon as the events make something true.

        Raises:
            AssertionError: they did not in time, or the process has ended before.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._silent or true(), seconds)
            if true():
                return
            why = f"has ended with status {self._process.poll()}" if self._silent else f"did not within {seconds} s"
            counts = {kind.__name__: len(self.of(kind)) for kind in {type(event) for event in self._events}}
        raise AssertionError(
            f"the {self.role} process {why}: {what}. Events: {counts}; its last words:\n{self.log[-3000:]}"
        )

    def stop(self, seconds: float) -> None:
        """Tell the process to finish, and return when it has.

        Raises:
            AssertionError: it did not in time, or with an error.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the {self.role} process did not finish within {seconds} s; its last words:\n{self.log[-3000:]}"
            ) from None
        assert status == 0, f"the {self.role} process ended with {status}; its last words:\n{self.log[-3000:]}"
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = read(line)
            with self._changed:
                self._events.append(event)
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()
