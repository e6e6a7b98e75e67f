"""The services of one side, each in a process of its own, from the first request to the last span."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unbroken.demo.broker import Broker
from unbroken.demo.scenarios import SCENARIOS, Request

CONSUMERS = {"payments": 5, "refunds": 10, "dead_letters": 1}
"""How many messages each consuming service handles: what the requests of all scenarios come to."""


class ServiceFailed(Exception):
    """A service ended too early, or not at all."""

    def __init__(self, service: str, last_words: str) -> None:
        super().__init__(service, last_words)
        self.service = service
        self.last_words = last_words

    def __str__(self) -> str:
        return f"{self.service} did not do its work; its last words:\n{self.last_words or '(none)'}"


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its name, its process and where its errors go."""

    name: str
    process: subprocess.Popen[str]
    errors: Path

    def failed(self) -> ServiceFailed:
        """End the service and return the failure, with the end of what it wrote."""
        self.process.kill()
        self.process.wait()
        lines = self.errors.read_text("utf-8", "replace").splitlines()
        return ServiceFailed(self.name, "\n".join(lines[-12:]))

    def end(self) -> None:
        """Return when the process is gone."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def run(client: str, side: str, broker: Broker, folder: Path, otlp: str | None = None) -> None:
    """Run the services of one side until every message is handled; their spans are in `folder` then.

    Args:
        client: name of a folder of services.
        side: `before` or `after`.
        broker: where they meet.
        folder: for `*.jsonl` of spans; empty.
        otlp: URL that they export their spans to as well.

    Raises:
        ServiceFailed: one of them ended with an error, or took too long.
    """
    package = f"unbroken.demo.{client}"
    with ended() as services:
        with uninterrupted():  # a process that is not in the list yet would be left behind
            for name, messages in CONSUMERS.items():
                environment = _environment(side, broker, folder / f"{name}.jsonl", otlp, messages)
                services.append(_started(name, f"{package}.{side}.{name}", environment, folder))
            environment = _environment(side, broker, folder / "orders.jsonl", otlp, 0)
            orders = _started("orders", f"{package}.orders", environment, folder)
            services.append(orders)
        for service in services:
            assert service.process.stdout is not None
            if service.process.stdout.readline() != "ready\n":
                raise service.failed()
        assert orders.process.stdin is not None
        _send(orders.process.stdin, [request for scenario in SCENARIOS for request in scenario.requests])
        _wait(services)


@contextmanager
def ended() -> Generator[list[Service], None, None]:
    """Yield a list; the services that are put on it end with the block, however it ends."""
    services: list[Service] = []
    try:
        yield services
    finally:
        for service in services:
            service.end()


@contextmanager
def uninterrupted() -> Generator[None, None, None]:
    """Hold back SIGINT and SIGTERM until the end of the block, which raises KeyboardInterrupt then."""
    held: list[int] = []

    def hold(number: int, _: object) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt


def _started(name: str, module: str, environment: dict[str, str], folder: Path) -> Service:
    errors = folder / f"{name}.stderr"
    with errors.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which ends them
        )
    return Service(name, process, errors)


def _environment(side: str, broker: Broker, spans: Path, otlp: str | None, messages: int) -> dict[str, str]:
    # Settings of the user's own telemetry would change the picture; headers and certificates for OTLP stay.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OTEL_") or name.startswith("OTEL_EXPORTER_OTLP_")
    }
    ours = {
        "BOOTSTRAP": broker.bootstrap,
        "PREFIX": broker.prefix,
        "EMBEDDED": "1" if broker.is_embedded else "",
        "MESSAGES": str(messages),
        "SPANS": str(spans),
        "OTLP": otlp or "",
        "SIDE": side,
    }
    return {**kept, **{f"UNBROKEN_DEMO_{name}": value for name, value in ours.items()}}


def _send(shop: IO[str], requests: Sequence[Request]) -> None:
    for request in requests:
        shop.write(json.dumps({"path": request.path, "order": {"id": request.order, "card": request.card}}) + "\n")
    shop.close()


def _wait(services: Sequence[Service]) -> None:
    def finish(service: Service) -> None:
        if service.process.wait() != 0:
            raise service.failed()

    with ThreadPoolExecutor(len(services)) as threads:
        try:
            for finished in as_completed([threads.submit(finish, service) for service in services]):
                finished.result()
        except BaseException:
            for service in services:
                service.process.kill()  # or the end of the block would wait for them
            raise
