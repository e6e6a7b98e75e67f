"""Zero code for one block of a test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from unbroken.clients.patches import ZeroCode, install, uninstall


@contextmanager
def instrumented(*clients: ZeroCode) -> Iterator[None]:
    """A block in which client libraries are instrumented; the last is put back first."""
    with ExitStack() as undo:
        for client in clients:
            patches = list(client.patches())
            install(patches)
            undo.callback(uninstall, patches)
            client.switch.start()
            undo.callback(client.switch.stop)
        yield
