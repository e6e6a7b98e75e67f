"""Jaeger, all in one process, built by Go; `UNBROKEN_JAEGER=http://otlp:port,http://query:port` uses a running one."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from services.backend import Backend, answers, running_backend
from services.golang import GoServer
from services.process import ServerProcess, free_port

ENVIRONMENT_VARIABLE = "UNBROKEN_JAEGER"

_JAEGER = GoServer(
    "Jaeger",
    "github.com/jaegertracing/jaeger/cmd/all-in-one",
    Path(__file__).parent / "jaeger",
    f"{ENVIRONMENT_VARIABLE}=http://host:4318,http://host:16686",
)
_READY = "/api/services"
_SECONDS_TO_START = 60.0  # 2 s on an idle machine of two cores
# Every server that listens, also those that nobody here asks: their ports are otherwise fixed.
_LISTENERS = (
    "admin.http",
    "collector.grpc-server",
    "collector.http-server",
    "collector.otlp.grpc",
    "query.grpc-server",
)


def build() -> Path:
    """The program, built unless it is in the cache.

    Raises:
        Unavailable: this machine cannot build it.
    """
    return _JAEGER.binary()


def running() -> AbstractContextManager[Backend]:
    """A Jaeger that answers: the one of `UNBROKEN_JAEGER`, or one started for this block, its traces in memory.

    Raises:
        Unavailable: nobody answers at `UNBROKEN_JAEGER`, or this machine cannot build the server.
    """
    return running_backend(ENVIRONMENT_VARIABLE, _READY, "Jaeger", _started)


@contextmanager
def _started() -> Iterator[Backend]:
    """A server whose traces end with the block."""
    binary = build()
    backend = Backend(f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}")
    command = [
        str(binary),
        "--log-level=warn",
        f"--collector.otlp.http.host-port={_host_port(backend.otlp)}",
        f"--query.http-server.host-port={_host_port(backend.query)}",
        *(f"--{name}.host-port=127.0.0.1:{free_port()}" for name in _LISTENERS),
    ]
    with tempfile.TemporaryDirectory(prefix="unbroken-jaeger-") as folder:
        server = ServerProcess(command, log=Path(folder) / "server.log")
        try:
            server.await_answer("Jaeger", lambda: answers(backend, _READY), seconds=_SECONDS_TO_START)
            yield backend
        finally:
            server.kill()


def _host_port(url: str) -> str:
    return url.removeprefix("http://")
