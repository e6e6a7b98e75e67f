"""Names of a client that were imported before it was instrumented, where its classes cannot be changed in place."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping

from unbroken.messaging.tracing import warn_once


def warn(client: str, natives: Mapping[str, type], replaced: Collection[type] = ()) -> None:
    """Say in the log, once for each, who holds a class of the client that instrumentation has put another in place of.

    Args:
        client: the package of the client, whose own modules do not count.
        natives: the classes, by their names in the package.
        replaced: classes of the client that are instrumented themselves.
    """
    for name, native in natives.items():
        for where in sorted({*_holders(client, native), *_subclasses(client, native, replaced)}):
            warn_once(
                f"{where} is {client}.{name}, imported before instrument() was called, and is not traced: start the "
                f"application with opentelemetry-instrument, or call instrument() before {client} is imported"
            )


def _holders(client: str, native: type) -> Iterator[str]:
    for path, module in list(sys.modules.items()):
        if not _is_inside(path, client):
            for name, value in list(getattr(module, "__dict__", {}).items()):  # some put other objects there
                if value is native:
                    yield f"{path}.{name}"


def _subclasses(client: str, native: type, replaced: Collection[type]) -> Iterator[str]:
    known: type
    for known in type.__subclasses__(native):
        is_inside = _is_inside(known.__module__, client) and known.__module__.partition(".")[0] != client
        if not is_inside and known not in replaced:
            yield f"the base of {known.__module__}.{known.__qualname__}"


def _is_inside(path: str, client: str) -> bool:
    """Return whether this is a module of the client, of unbroken or of another instrumentation."""
    return path.split(".", maxsplit=1)[0] in (client, "cimpl", "unbroken") or path.startswith("opentelemetry.")
