"""RabbitMQ, one node, from Debian's package; `UNBROKEN_AMQP=amqp://...` uses a running one.

>>> with RabbitMQ() as rabbitmq:                                                      # doctest: +SKIP
...     publish(rabbitmq.url)
...     rabbitmq.kill()
...     rabbitmq.start()             # the same node: same port, same durable queues
"""

import os
import pwd
import shutil
import socket
import string
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from services import Unavailable
from services.process import ServerProcess, free_port, given

ENVIRONMENT_VARIABLE = "UNBROKEN_AMQP"

_INPUTS = Path(__file__).parent / "rabbitmq"
_SECONDS_TO_START = 180.0  # 8-10 s on an idle machine of two cores; a loaded one takes ten times that
_SECONDS_FOR_EPMD = 30.0

# Where Debian keeps the scripts themselves. The command of the same name in /usr/sbin changes the user with `su`, which
# puts a process between us and the node that does not end with us.
SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_OWNER = "rabbitmq"  # the user that the package makes for its servers


@contextmanager
def running() -> Iterator[str]:
    """The URL of a RabbitMQ that answers: the one of `UNBROKEN_AMQP`, or one started for this block.

    Raises:
        Unavailable: nobody answers at `UNBROKEN_AMQP`, or this machine cannot start a node.
    """
    known = given(ENVIRONMENT_VARIABLE, _answers, "RabbitMQ")
    if known is not None:
        yield known
        return
    with RabbitMQ() as rabbitmq:
        yield rabbitmq.url


class RabbitMQ:
    """One node with its own data, which live as long as the `with` block and survive `kill` and `stop`."""

    def __init__(self) -> None:
        self._port, self._distribution_port, self._epmd_port = free_port(), free_port(), free_port()
        self._home = Path(tempfile.mkdtemp(prefix="unbroken-rabbitmq-"))
        self._user = _user()
        self._epmd: ServerProcess | None = None
        self._node: ServerProcess | None = None

    @property
    def url(self) -> str:
        """The address for clients, `amqp://guest:guest@127.0.0.1:port/`; it stays the same over restarts."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def pid(self) -> int | None:
        """The process id of the node while it runs."""
        return self._node.pid if self._node else None

    def start(self) -> None:
        """Start the node and return when clients can connect.

        Raises:
            Unavailable: the package is missing.
            RuntimeError: the node ended or stayed silent; the message ends with its log.
        """
        if self._node is not None:
            raise RuntimeError("the node runs already")
        server, epmd = _command("rabbitmq-server"), _command("epmd")
        self._configure()
        if self._epmd is None:
            # Erlang would start one by itself, as a daemon that outlives the node.
            self._epmd = self._process([epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"], "epmd.log")
            self._epmd.await_answer("epmd", lambda: _listens(self._epmd_port), seconds=_SECONDS_FOR_EPMD)
        node = self._process([server], "node.log")
        node.await_answer("RabbitMQ", lambda: _answers(self.url), seconds=_SECONDS_TO_START)
        self._node = node

    def kill(self) -> None:
        """End the node by SIGKILL, as a power failure would; `start` brings it back with its data."""
        if self._node is not None:
            self._node.kill()
            self._node = None

    def stop(self) -> None:
        """End the node cleanly; `start` brings it back with its data."""
        if self._node is not None:
            self._node.stop()
            self._node = None

    def restart(self) -> None:
        """Stop the node cleanly and start it again."""
        self.stop()
        self.start()

    def __enter__(self) -> "RabbitMQ":
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

    def _configure(self) -> None:
        template = string.Template((_INPUTS / "rabbitmq.conf").read_text())
        (self._home / "rabbitmq.conf").write_text(template.substitute(port=self._port))
        if self._user is not None:
            shutil.chown(self._home, self._user, self._user)

    def _process(self, command: list[str], log: str) -> ServerProcess:
        return ServerProcess(command, log=self._home / log, environment=self._environment(), user=self._user)

    def _environment(self) -> dict[str, str]:
        """What the node is told: nothing of it comes from the settings of the package or of the user."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._home),  # the Erlang cookie is made there
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_AFLAGS": "-start_epmd false",
            "RABBITMQ_CONFIG_FILE": str(self._home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self._home / "none"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self._home / "feature-flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self._home / "generated"),
            "RABBITMQ_LOG_BASE": str(self._home / "log"),
            "RABBITMQ_MNESIA_BASE": str(self._home / "data"),
            "RABBITMQ_NODENAME": "unbroken@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script becomes the node instead of its parent, so that the process started here is the node.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _discard(self) -> None:
        self.kill()  # the data go anyway; a clean shutdown takes seconds
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd = None
        shutil.rmtree(self._home, ignore_errors=True)


def _user() -> str | None:
    """The user to become, or None to stay who we are."""
    try:
        return pwd.getpwnam(_OWNER).pw_name if os.geteuid() == 0 else None
    except KeyError:  # a RabbitMQ that is not Debian's runs as root too
        return None


def _command(name: str) -> str:
    """The path of a command of the package."""
    command = shutil.which(name, path=f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if command is None:
        raise Unavailable(
            f"RabbitMQ needs `{name}`, which is neither in {SCRIPTS} nor in PATH. Debian: apt-get install "
            f"rabbitmq-server. Or use a running RabbitMQ: {ENVIRONMENT_VARIABLE}=amqp://guest:guest@host:port/"
        )
    return command


def _answers(url: str) -> bool:
    """Whether an AMQP 0-9-1 server greets at this address.

    Asked with the protocol header in plain sockets, since the services need no client library: the server answers with
    the method Connection.Start. RabbitMQ opens its port as the last step of its start.
    """
    address = urlsplit(url)
    try:
        with socket.create_connection((address.hostname or "localhost", address.port or 5672), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            # type of the frame, channel, size, class and method
            answer = connection.recv(11, socket.MSG_WAITALL)
    except OSError:
        return False
    if len(answer) < 11:
        return False
    kind, channel, _, class_id, method_id = struct.unpack(">BHIHH", answer)
    return (kind, channel, class_id, method_id) == (1, 0, 10, 10)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
