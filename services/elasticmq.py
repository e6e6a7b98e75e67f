"""ElasticMQ, a queue server that speaks SQS, from Maven Central; `UNBROKEN_SQS=http://host:port` uses a running one."""

import http.client
import string
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from services.maven import MavenServer
from services.process import ServerProcess, free_port, given

ENVIRONMENT_VARIABLE = "UNBROKEN_SQS"

_INPUTS = Path(__file__).parent / "elasticmq"
_ELASTICMQ = MavenServer("ElasticMQ", _INPUTS, f"{ENVIRONMENT_VARIABLE}=http://host:port")
_SECONDS_TO_START = 60.0  # 2 s on an idle machine of two cores


@contextmanager
def running() -> Iterator[str]:
    """The endpoint URL of a server that answers: the one of `UNBROKEN_SQS`, or one started for this block.

    Raises:
        Unavailable: nobody answers at `UNBROKEN_SQS`, or this machine cannot start the server.
    """
    known = given(ENVIRONMENT_VARIABLE, _answers, "SQS")
    if known is not None:
        yield known
        return
    with _started() as endpoint:
        yield endpoint


@contextmanager
def _started() -> Iterator[str]:
    """The endpoint URL of a server whose queues, all in memory, end with the block."""
    java, classpath = _ELASTICMQ.java(), f"{_ELASTICMQ.jars()}/*"
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="unbroken-elasticmq-") as folder:
        configuration = Path(folder) / "elasticmq.conf"
        configuration.write_text(string.Template((_INPUTS / "elasticmq.conf").read_text()).substitute(port=port))
        command = [java, "-Xmx256m", f"-Dconfig.file={configuration}", "-cp", classpath, "org.elasticmq.server.Main"]
        server = ServerProcess(command, log=Path(folder) / "server.log")
        try:
            server.await_answer("ElasticMQ", lambda: _answers(endpoint), seconds=_SECONDS_TO_START)
            yield endpoint
        finally:
            server.kill()


def _answers(endpoint: str) -> bool:
    """Whether a server at this address answers ListQueues; a refusal, for want of a signature, is an answer too."""
    address = urlsplit(endpoint)
    tls = address.scheme == "https"
    connect = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    with closing(connect(address.hostname or "localhost", address.port, timeout=5)) as connection:
        try:
            connection.request("GET", "/?Action=ListQueues")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
