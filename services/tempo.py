"""Grafana Tempo, one process, built by Go; `UNBROKEN_TEMPO=http://otlp:port,http://query:port` uses a running one."""

import string
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from services.backend import Backend, answers, running_backend
from services.golang import GoServer
from services.process import ServerProcess, free_port

ENVIRONMENT_VARIABLE = "UNBROKEN_TEMPO"

_INPUTS = Path(__file__).parent / "tempo"
_TEMPO = GoServer(
    "Tempo",
    "github.com/grafana/tempo/cmd/tempo",
    _INPUTS,
    f"{ENVIRONMENT_VARIABLE}=http://host:4318,http://host:3200",
    # A dependency reaches for what newer Go linkers hide, and its assembly is not for every processor.
    ("-tags=purego", "-ldflags=-s -w -checklinkname=0"),
)
_READY = "/ready"
_SECONDS_TO_START = 120.0  # 3 s on an idle machine of two cores


def build() -> Path:
    """The program, built unless it is in the cache.

    Raises:
        Unavailable: this machine cannot build it.
    """
    return _TEMPO.binary()


def running() -> AbstractContextManager[Backend]:
    """A Tempo that answers: the one of `UNBROKEN_TEMPO`, or one started for this block.

    Raises:
        Unavailable: nobody answers at `UNBROKEN_TEMPO`, or this machine cannot build the server.
    """
    return running_backend(ENVIRONMENT_VARIABLE, _READY, "Tempo", _started)


@contextmanager
def _started() -> Iterator[Backend]:
    """A server whose traces, in a folder of its own, end with the block."""
    binary = build()
    otlp_port, http_port = free_port(), free_port()
    backend = Backend(f"http://127.0.0.1:{otlp_port}", f"http://127.0.0.1:{http_port}")
    with tempfile.TemporaryDirectory(prefix="unbroken-tempo-", ignore_cleanup_errors=True) as folder:
        configuration = Path(folder) / "tempo.yaml"
        template = string.Template((_INPUTS / "tempo.yaml").read_text())
        configuration.write_text(
            template.substitute(
                http_port=http_port,
                grpc_port=free_port(),
                otlp_port=otlp_port,
                memberlist_port=free_port(),
                data=folder,
            )
        )
        server = ServerProcess([str(binary), f"-config.file={configuration}"], log=Path(folder) / "server.log")
        try:
            server.await_answer("Tempo", lambda: answers(backend, _READY), seconds=_SECONDS_TO_START)
            yield backend
        finally:
            server.kill()
