"""Where a server that stores traces takes them, and where it is asked for them."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.process import given


@dataclass(frozen=True, slots=True)
class Backend:
    """The two addresses of a server that stores traces; as text `otlp,query`, which `parsed` reads."""

    otlp: str
    """The base URL of OTLP over HTTP: spans go to `/v1/traces` below it."""
    query: str
    """The base URL of its own API, and of its pages where it has any."""

    def __str__(self) -> str:
        return f"{self.otlp},{self.query}"


def parsed(text: str) -> Backend:
    """Return the backend of a text `otlp,query`.

    >>> parsed("http://127.0.0.1:4318,http://127.0.0.1:16686")
    Backend(otlp='http://127.0.0.1:4318', query='http://127.0.0.1:16686')
    """
    otlp, _, query = text.partition(",")
    return Backend(otlp.strip().rstrip("/"), query.strip().rstrip("/"))


@contextmanager
def running_backend(
    variable: str, ready: str, name: str, started: Callable[[], AbstractContextManager[Backend]]
) -> Iterator[Backend]:
    """The running server that an environment variable names; where it names none, one that is started for this block.

    Raises:
        Unavailable: it does not answer at both of its addresses.
    """
    text = given(variable, lambda address: answers(parsed(address), ready), name)
    if text is not None:
        yield parsed(text)
        return
    with started() as backend:
        yield backend


def answers(backend: Backend, ready: str) -> bool:
    """Whether the API answers a GET of the path `ready` with 200, and OTLP takes an empty list of spans."""
    return _status("GET", backend.query + ready) == 200 and _status("POST", f"{backend.otlp}/v1/traces") == 200


def _status(method: str, url: str) -> int | None:
    """The status of a request, None where nobody answers; what is posted is empty OTLP in JSON."""
    address = urlsplit(url)
    if address.hostname is None:
        return None
    tls = address.scheme == "https"
    connect = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    body = json.dumps({"resourceSpans": []}) if method == "POST" else None
    with closing(connect(address.hostname, address.port, timeout=5)) as connection:
        try:
            connection.request(method, address.path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
