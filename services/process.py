"""A server process that never outlives the process that started it, and the port that it listens on."""

import atexit
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from services import Unavailable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServerProcess:
    """A running server in a process group of its own, its output in one log file.

    Ctrl-C does not reach the group, so tests decide when the server ends. It ends with its starter in every case: by
    `stop` or `kill`, at the exit of the interpreter, and on Linux by SIGKILL when the starter dies without a word. The
    kernel sends that signal at the end of the *thread* that started the process: start servers in the main thread.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self._log = log
        self._killed = False
        parent = os.getpid()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else (),
                # Runs after the change of user, which would clear what it sets.
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - two system calls, nothing that takes a lock
            )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """The id of the process, which is the id of its group too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def await_answer(self, name: str, answers: Callable[[], bool], *, seconds: float) -> None:
        """Return when the server answers; a process that does not is ended.

        Raises:
            RuntimeError: it has ended, or was silent for so long; the message ends with its log.
        """
        deadline = time.monotonic() + seconds
        try:
            while not answers():
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} did not start; its last words:\n{self.last_words()}")
                time.sleep(0.05)
        except BaseException:
            self.kill()
            raise

    def stop(self, patience: float = 20.0) -> None:
        """End the process by SIGTERM, or by SIGKILL when it takes longer than `patience` seconds."""
        if self.running:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End the whole process group by SIGKILL; when this returns the process is gone and its ports are free."""
        if self._killed:
            return
        self._killed = True
        atexit.unregister(self.kill)
        with suppress(ProcessLookupError):  # also when the server itself has ended: its children may live
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self, lines: int = 20) -> str:
        """The end of the log, for an error message."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


def finish(command: Sequence[str], problem: str, folder: Path | None = None) -> None:
    """Run a command to its end, in a folder if one is given.

    Raises:
        Unavailable: it failed; the message is the problem and the end of its output.
    """
    finished = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        raise Unavailable(f"{problem}: exit status {finished.returncode}\n{finished.stdout[-4000:]}")


def given(variable: str, answers: Callable[[str], bool], name: str) -> str | None:
    """The address of a running server that an environment variable names, None where it names none.

    Raises:
        Unavailable: nobody answers there.
    """
    address = os.environ.get(variable)
    if not address:
        return None
    if not answers(address):
        raise Unavailable(f"{variable}={address}: no {name} answers there")
    return address


def free_port() -> int:
    """A loopback port that nobody listens on, below the range that the kernel takes for outgoing connections.

    A client that reconnects to a killed broker on a port of that range can be given the very same port as its own,
    connects to itself, and the broker cannot bind it again.
    """
    ports = list(range(10_000, _first_outgoing_port()))
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as candidate:
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on 127.0.0.1")


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768


def _die_with(parent: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)
