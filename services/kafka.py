"""Apache Kafka, one node (broker and controller), from Maven Central; `UNBROKEN_KAFKA=host:port` uses a running one.

>>> with Kafka() as kafka:                                                            # doctest: +SKIP
...     produce(kafka.bootstrap)
...     kafka.kill()
...     kafka.start()                # the same broker: same port, same data
"""

import base64
import shutil
import socket
import string
import struct
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from services.maven import MavenServer
from services.process import ServerProcess, finish, free_port, given

ENVIRONMENT_VARIABLE = "UNBROKEN_KAFKA"

_INPUTS = Path(__file__).parent / "kafka"
_KAFKA = MavenServer("Kafka", _INPUTS, f"{ENVIRONMENT_VARIABLE}=host:port")
_SECONDS_TO_START = 90.0  # 3-5 s on an idle machine of two cores; a loaded one takes ten times that


@contextmanager
def running() -> Iterator[str]:
    """The bootstrap address of a Kafka that answers: the one of `UNBROKEN_KAFKA`, or one started for this block.

    Raises:
        Unavailable: nobody answers at `UNBROKEN_KAFKA`, or this machine cannot start a broker.
    """
    known = given(ENVIRONMENT_VARIABLE, _answers, "Kafka")
    if known is not None:
        yield known
        return
    with Kafka() as kafka:
        yield kafka.bootstrap


class Kafka:
    """One broker with its own data, which live as long as the `with` block and survive `kill` and `stop`."""

    def __init__(self) -> None:
        self._port, self._controller_port = free_port(), free_port()
        self._home = Path(tempfile.mkdtemp(prefix="unbroken-kafka-"))
        self._server: ServerProcess | None = None
        self._formatted = False

    @property
    def bootstrap(self) -> str:
        """The address for clients, `127.0.0.1:port`; it stays the same over restarts."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id of the broker while it runs."""
        return self._server.pid if self._server else None

    def start(self) -> None:
        """Start the broker and return when clients can produce.

        Raises:
            Unavailable: Java or Maven is missing, or the jars cannot be had.
            RuntimeError: the broker ended or stayed silent; the message ends with its log.
        """
        if self._server is not None:
            raise RuntimeError("the broker runs already")
        java, classpath = _KAFKA.java(), f"{_KAFKA.jars()}/*"
        if not self._formatted:
            self._format(java, classpath)
        server = ServerProcess(
            [java, "-Xmx512m", *_LOGGING, "-cp", classpath, "kafka.Kafka", str(self._properties)],
            log=self._home / "broker.log",
        )
        server.await_answer("Kafka", lambda: _answers(self.bootstrap), seconds=_SECONDS_TO_START)
        self._server = server

    def kill(self) -> None:
        """End the broker by SIGKILL, as a power failure would; `start` brings it back with its data."""
        if self._server is not None:
            self._server.kill()
            self._server = None

    def stop(self) -> None:
        """End the broker cleanly; `start` brings it back with its data."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> "Kafka":
        try:
            self.start()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._discard()

    @property
    def _properties(self) -> Path:
        return self._home / "server.properties"

    def _format(self, java: str, classpath: str) -> None:
        template = string.Template((_INPUTS / "server.properties").read_text())
        self._properties.write_text(
            template.substitute(port=self._port, controller_port=self._controller_port, data=self._home / "data")
        )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        command = [java, *_LOGGING, "-cp", classpath, "kafka.tools.StorageTool", "format", "--standalone"]
        # --cluster-id=… as one word: a cluster id may begin with a dash.
        finish([*command, f"--cluster-id={cluster}", "-c", str(self._properties)], "cannot format the data of Kafka")
        self._formatted = True

    def _discard(self) -> None:
        self.kill()  # the data go anyway; a clean shutdown takes seconds
        shutil.rmtree(self._home, ignore_errors=True)


_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


def _answers(bootstrap: str) -> bool:
    """Whether the cluster at this address names a broker that serves clients.

    A broker opens its port before the controller lets it serve, so an open port is not enough. Asked with the oldest
    request that Kafka 4 answers, Metadata version 0, in plain sockets: the services need no client library.
    """
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    # header: key 3, version 0, correlation id 1, client id null; body: no topic names
    request = struct.pack(">hhihi", 3, 0, 1, -1, 0)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            # length, correlation id, number of brokers
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
