"""Contenders in processes of their own, taking turns."""

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from bench.environments import ROOT, interpreter, variables
from bench.results import Samples
from bench.worker import Job


class Worker:
    """One process in the environment of a contender; it ends with the block."""

    def __init__(self, environment: str) -> None:
        self._process = subprocess.Popen(
            [str(interpreter(environment)), "-m", "bench.worker"],
            cwd=ROOT,
            env=variables(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(self, job: Job) -> dict[str, float]:
        """Return what `job` finds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job.dumps() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{job} failed")
        found: dict[str, float] = json.loads(line)
        return found


class Workers:
    """A process for each environment, kept for the block, and fresh ones for the jobs that want to be alone."""

    def __init__(self) -> None:
        self._kept: dict[str, Worker] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(self, job: Job) -> dict[str, float]:
        """Return what `job` finds."""
        if job.alone:
            with Worker(job.environment) as worker:
                return worker.run(job)
        if job.environment not in self._kept:
            self._kept[job.environment] = self._stack.enter_context(Worker(job.environment))
        return self._kept[job.environment].run(job)


def take_turns(
    group: tuple[Job, ...], repeats: int, workers: Workers, samples: Samples, done: Callable[[], None]
) -> None:
    """Run each job of `group` once per repeat, forwards and backwards in turn, so that no place is the better one."""
    for repeat in range(repeats):
        for job in group if repeat % 2 == 0 else reversed(group):
            samples.add(workers.run(job))
            done()
