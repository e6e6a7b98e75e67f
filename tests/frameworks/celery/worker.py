"""A Celery worker in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[3]


class CeleryWorker:
    """`celery worker` of the shop with one kind of pool; it ends with the block, after the tasks that it has begun.

    Args:
        arguments: more arguments of the command.
        exports: when it exports its spans, see the shop.
    """

    def __init__(
        self,
        pool: str,
        broker: str,
        queue: str,
        spans: Path,
        folder: Path,
        arguments: Sequence[str] = (),
        exports: str = "at once",
    ) -> None:
        self._log = folder / "worker.log"
        self.results = f"file://{folder}"
        environment = {**os.environ, "SHOP_BROKER": broker, "SHOP_QUEUE": queue, "SHOP_SPANS": str(spans)}
        environment |= {
            "SHOP_EXPORTS": exports,
            "SHOP_RESULTS": self.results,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.frameworks.celery.shop", "worker", f"--pool={pool}"]
        command += ["-n", queue]  # two workers of one name cannot have the same RabbitMQ
        command += arguments
        command += ["-c", "2", "-Q", f"{queue},{queue}-dead", "--without-gossip", "--without-mingle", "--loglevel=INFO"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def __enter__(self) -> CeleryWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """What the worker wrote."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End the worker as its operator would: it finishes and acknowledges what it has begun."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            finally:
                self._process.kill()
                self._process.wait()
