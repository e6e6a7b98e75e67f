"""The demo from beginning to end: both sides on a broker, the trees in the terminal, the page in a file."""

from __future__ import annotations

import signal
import socket
import sys
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from rich.console import Console

from unbroken.demo import broker as brokers
from unbroken.demo import page, processes, telemetry, terminal, traces
from unbroken.demo.changes import change
from unbroken.demo.comparison import Traces, compare

SERVICES = ("payments", "dead_letters", "refunds")


@dataclass(frozen=True, slots=True)
class Options:
    """What the person asked for.

    Attributes:
        client: the name of its distribution.
        bootstrap: of a running Kafka; None for the embedded one.
        otlp: URL of an OTLP/HTTP backend that gets the spans too.
        html: where the page goes.
    """

    client: str
    bootstrap: str | None
    otlp: str | None
    html: Path


class Unwritable(Exception):
    """The page cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"


def run(options: Options) -> int:
    """Show the demo and return 0; 2 after a line on the standard error about what is missing."""
    before = signal.signal(signal.SIGTERM, _interrupt)  # so that the services end with the demo
    console = Console()
    try:
        otlp = _reachable(options.otlp) if options.otlp else None
        with tempfile.TemporaryDirectory(prefix="unbroken-demo-") as folder:
            with console.status("four services, twice: before and after"):
                sides = [_side(options, side, Path(folder), otlp) for side in ("before", "after")]
            _show(console, options, sides[0], sides[1])
            if otlp:
                _say_exported(console, otlp, Path(folder), sides)
    except (brokers.Unusable, processes.ServiceFailed, Unwritable) as error:
        return _refuse(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _side(options: Options, side: str, folder: Path, otlp: str | None) -> Traces:
    spans = folder / side
    spans.mkdir()
    with _broker(options.bootstrap) as broker:
        processes.run(options.client.replace("-", "_"), side, broker, spans, otlp)
        return traces.read(spans, without=broker.prefix)


def _broker(bootstrap: str | None) -> AbstractContextManager[brokers.Broker]:
    return brokers.running(bootstrap) if bootstrap else brokers.embedded()


def _show(console: Console, options: Options, before: Traces, after: Traces) -> None:
    outcomes = compare(before, after)
    client = options.client.replace("-", "_")
    changes = [change(client, service) for service in SERVICES]
    kafka = options.bootstrap or "the Kafka inside the confluent-kafka wheel"
    where = f"{options.client} {version(options.client)} on {kafka}"
    terminal.show(console, outcomes, changes, where)
    try:
        options.html.write_text(page.render(outcomes, changes, where), "utf-8")
    except OSError as error:
        raise Unwritable(options.html, error.strerror or str(error)) from error
    terminal.say_where(console, options.html)


def _reachable(url: str) -> str | None:
    """Return the URL for spans at this OTLP endpoint; None after a line on the standard error if nobody is there."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname or "", port), timeout=3).close()
    except (OSError, KeyError, ValueError) as error:
        reason = "http:// or https:// is missing" if isinstance(error, KeyError) else str(error)
        print(f"--otlp: nobody answers at {url} ({reason}); the demo goes on without it", file=sys.stderr)
        return None
    return url if parts.path.strip("/") else url.rstrip("/") + "/v1/traces"


def _say_exported(console: Console, url: str, folder: Path, sides: list[Traces]) -> None:
    if any(folder.rglob(f"*{telemetry.FAILED}")):
        print(f"--otlp: {url} did not take all spans", file=sys.stderr)
        return
    last = max(sides[1], key=lambda trace: len(trace.spans))
    console.print(f"Exported to {url}; the longest trace is {last.trace_id}", soft_wrap=True, highlight=False)


def _refuse(why: str) -> int:
    print(f"unbroken demo: {why}", file=sys.stderr)
    return 2


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
