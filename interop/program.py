"""A program that is spoken to in lines: JSON in, JSON out, and the end of its standard input is its end."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_ROOT = Path(__file__).parents[1]
_SECONDS_TO_END = 60.0


class ProgramFailed(Exception):
    """A program ended too early, or said nothing for too long."""

    def __init__(self, name: str, problem: str, last_words: str) -> None:
        super().__init__(name, problem, last_words)
        self.name = name
        self.problem = problem
        self.last_words = last_words

    def __str__(self) -> str:
        return f"{self.name} {self.problem}; its last words:\n{self.last_words or '(none)'}"


class Program:
    """A running program; it ends with the block, and with its starter, whose death closes its standard input."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._log = log
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=_ROOT,  # where Python finds the modules of interop
                env={**_without_telemetry(os.environ), **environment},
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the starter, which ends them
            )
        self._reader = threading.Thread(target=self._read, name=name, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    def await_ready(self, deadline: float) -> None:
        """Return when the program has said that it is ready, its first line.

        Raises:
            ProgramFailed: it said something else, or nothing before the deadline (`time.monotonic()`).
        """
        line = self._line(deadline)
        if line.strip() != "ready":
            raise self.failed(f"began with {line!r}")

    def told(self, deadline: float) -> dict[str, Any]:
        """Return the next that the program tells.

        Raises:
            ProgramFailed: it ended, or told nothing before the deadline (`time.monotonic()`).
        """
        line = self._line(deadline)
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            raise self.failed(f"said {line!r}") from None
        return found

    def asked(self, command: Mapping[str, Any], *, seconds: float = 120.0) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            ProgramFailed: it ended, gave no answer in time, or answered with an `error`.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self.failed("has ended") from None
        answer = self.told(time.monotonic() + seconds)
        if "error" in answer:
            raise self.failed(f"could not {command}: {answer['error']}")
        return answer

    def end(self) -> None:
        """Close the standard input of the program and return when it has ended.

        Raises:
            ProgramFailed: it ended with an error, or not at all.
        """
        self.unwanted()
        try:
            status = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            raise self.failed("did not end") from None
        if status != 0:
            raise self.failed(f"ended with status {status}")

    def unwanted(self) -> None:
        """Close the standard input of the program, so that it ends; does not wait for it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    def failed(self, problem: str) -> ProgramFailed:
        """Return the failure, with the end of what the program wrote to its standard error."""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return ProgramFailed(self.name, problem, "\n".join(lines[-25:]))

    def _line(self, deadline: float) -> str:
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise self.failed("said nothing in time") from None
        if line is None:
            raise self.failed("has ended")
        return line

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


def _without_telemetry(environment: Mapping[str, str]) -> dict[str, str]:
    # Settings of the user's own telemetry would change the picture.
    return {name: value for name, value in environment.items() if not name.startswith("OTEL_")}
