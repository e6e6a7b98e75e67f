"""What the instrumentors of all clients have in common: patches in, rivals aside, and all of it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # unchecked there

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.instrumentation import environment
from unbroken.instrumentation.rivals import Aside, Rival
from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.tracing import log_internal_error, warn_once


class ClientInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """An instrumentor of one client; `instrument` twice is once, `uninstrument` puts every name back."""

    dependencies: ClassVar[tuple[str, ...]]
    """The client and its versions, as in pyproject.toml."""
    rivals: ClassVar[tuple[Rival, ...]] = ()
    """Other instrumentations of this client."""
    _installed: list[Patch] | None = None

    def __init__(self) -> None:
        if not hasattr(self, "_aside"):  # there is one instance of each class, which is "made" again and again
            self._aside = Aside(self.rivals)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the client and its versions."""
        return self.dependencies

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced; imports the client."""
        raise NotImplementedError

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        raise NotImplementedError

    def warn(self) -> None:
        """Say in the log what could not be instrumented."""

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - OpenTelemetry names it
        # opentelemetry-instrument asks only what the distribution declares, which is no client.
        conflict = get_dependency_conflicts(self.dependencies)
        if conflict is not None:
            if conflict.found:
                warn_once(f"{type(self).__name__}: {conflict}")
            return
        try:
            self._install()
        except Exception as error:
            # What leaves here would keep opentelemetry-instrument from loading the instrumentations after ours.
            log_internal_error(type(self).__name__, error)
            self._uninstrument()

    def _install(self) -> None:
        environment.apply()
        self._aside.step()
        patches = list(self.patches())
        install(patches)
        self._installed = patches
        for polling in self.pollings():
            polling.start()
        self.warn()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - OpenTelemetry names it
        if self._installed is not None:
            uninstall(self._installed)
            self._installed = None
            for polling in self.pollings():
                polling.stop()
        self._aside.back()
