"""What the instrumentors of all clients have in common: patches in, contrib aside, and all of it back."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any, ClassVar

from unbroken.errors import required

with required("instrument", "opentelemetry"):
    from opentelemetry.instrumentation.dependencies import get_dependency_conflicts
    from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # unchecked there

from unbroken.clients.patches import Patch, ZeroCode, install, uninstall
from unbroken.clients.pools import confine_work, release_work
from unbroken.instrumentation.contrib import Aside, ContribInstrumentor
from unbroken.messaging import metrics, tracing
from unbroken.messaging.tracing import log_internal_error, warn_once

_PROVIDERS: dict[str, list[Any]] = {
    "tracer_provider": tracing.given_providers,
    "meter_provider": metrics.given_providers,
}


class ClientInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """An instrumentor of one client; `instrument` twice is once, `uninstrument` puts every name back."""

    dependencies: ClassVar[tuple[str, ...]]
    """The client and its versions, as in pyproject.toml."""
    client: ClassVar[str]
    """The module whose `ZERO_CODE` says what is done to the client; imported when it is instrumented."""
    contrib: ClassVar[tuple[ContribInstrumentor, ...]] = ()
    """OpenTelemetry's own instrumentations of this client, which step aside."""
    _installed: list[Patch] | None = None

    def __init__(self) -> None:
        if not hasattr(self, "_aside"):  # there is one instance of each class, which is "made" again and again
            self._aside = Aside(self.contrib)
            self._given: list[tuple[list[Any], Any]] = []

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return the client and its versions."""
        return self.dependencies

    def instrument(self, **kwargs: Any) -> None:
        """Instrument the client.

        Args:
            **kwargs: `tracer_provider` and `meter_provider` take the place of the global ones, for everything that
                unbroken makes in this process; of several instrumentors the last that was given one decides.
        """
        super().instrument(**kwargs)

    def _instrument(self, **kwargs: Any) -> None:
        # opentelemetry-instrument asks only what the distribution declares, which is no client.
        conflict = get_dependency_conflicts(self.dependencies)
        if conflict is not None:
            if conflict.found:
                warn_once(f"{type(self).__name__}: {conflict}")
            return
        try:
            self._install()
            self._use(kwargs)
        except Exception as error:
            # What leaves here would keep opentelemetry-instrument from loading the instrumentations after ours.
            log_internal_error(type(self).__name__, error)
            self._uninstrument()

    def _install(self) -> None:
        self._aside.step()
        zero_code = self._zero_code()
        patches = list(zero_code.patches())
        install(patches)
        confine_work()
        self._installed = patches
        zero_code.switch.start()
        zero_code.warn()

    def _use(self, given: dict[str, Any]) -> None:
        for name, providers in _PROVIDERS.items():
            if (provider := given.get(name)) is not None:
                providers.append(provider)
                self._given.append((providers, provider))

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - OpenTelemetry names it
        if self._installed is not None:
            uninstall(self._installed)
            self._installed = None
            self._zero_code().switch.stop()
            release_work()
        while self._given:
            providers, provider = self._given.pop()
            providers.remove(provider)
        self._aside.back()

    def _zero_code(self) -> ZeroCode:
        found: ZeroCode = importlib.import_module(self.client).ZERO_CODE
        return found
