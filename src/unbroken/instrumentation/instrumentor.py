"""What the instrumentors of all clients have in common: patches in, rivals aside, and all of it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # unchecked there

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.instrumentation import environment
from unbroken.instrumentation.rivals import Aside, Rival
from unbroken.messaging.polled import Polling
from unbroken.messaging.tracing import say_once


class ClientInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """An instrumentor of one client; `instrument` twice is once, `uninstrument` puts every name back."""

    dependencies: ClassVar[tuple[str, ...]]
    """The client and its versions, as in pyproject.toml."""
    rivals: ClassVar[tuple[Rival, ...]] = ()
    """Other instrumentations of this client."""
    pollings: ClassVar[tuple[Polling, ...]] = ()
    """The switches of its consumers."""

    _installed: list[Patch] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the client and its versions."""
        return self.dependencies

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        raise NotImplementedError

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the SDK names it
        # opentelemetry-instrument asks only what the distribution declares, which is no client.
        conflict = get_dependency_conflicts(self.dependencies)
        if conflict is not None:
            say_once(f"{type(self).__name__}: {conflict}")
            return
        environment.apply()
        self._aside = Aside(self.rivals)
        self._aside.step()
        self._installed = list(self.patches())
        install(self._installed)
        for polling in self.pollings:
            polling.start()
        self._warn()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the SDK names it
        if self._installed is None:
            return
        uninstall(self._installed)
        self._installed = None
        for polling in self.pollings:
            polling.stop()
        self._aside.back()

    def _warn(self) -> None:
        """Say in the log what could not be instrumented."""
