"""Other instrumentations of the same client: while ours is on, they step aside, so no message has two spans.

They are those of OpenTelemetry's contrib collection. An application that has both installed gets ours; it gets theirs
again when ours is uninstrumented, or was switched off by name (`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.messaging.tracing import log_internal_error

_PACKAGE = "opentelemetry.instrumentation"


@dataclass(frozen=True, slots=True)
class ContribInstrumentor:
    """An instrumentor of contrib.

    Attributes:
        module: below `opentelemetry.instrumentation`.
        name: its class.
        only: the service, where it instruments more than ours does: its calls to other services are left to it.
    """

    module: str
    name: str
    only: str | None = None


class Aside:
    """Contrib's instrumentors of the client of one instrumentor of ours."""

    def __init__(self, instrumentors: tuple[ContribInstrumentor, ...]) -> None:
        self._instrumentors = instrumentors
        self._patches: list[Patch] = []
        self._were_on: list[Any] = []

    def step(self) -> None:
        """Switch those off that are on, and keep the others from being switched on, whenever they are loaded."""
        for rival, kind in self._installed():
            try:
                self._step(rival, kind)
            except Exception as error:
                log_internal_error(f"{rival.name} stepping aside", error)

    def back(self) -> None:
        """Let them be as they were."""
        uninstall(self._patches)
        self._patches.clear()
        for kind in self._were_on:
            try:
                instrumentor = kind()
                if instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.uninstrument()
                instrumentor.instrument()
            except Exception as error:
                log_internal_error(f"{kind.__name__} coming back", error)
        self._were_on.clear()

    def _installed(self) -> Iterator[tuple[ContribInstrumentor, Any]]:
        for rival in self._instrumentors:
            try:
                yield rival, getattr(importlib.import_module(f"{_PACKAGE}.{rival.module}"), rival.name)
            except Exception:  # noqa: S112 - not installed, or it does not suit this version of the client
                continue

    def _step(self, rival: ContribInstrumentor, kind: Any) -> None:
        instrumentor = kind()
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()
            self._were_on.append(kind)
        if rival.only is None:
            patch = Patch(kind, "instrument", _never)
        else:
            patch = Patch(kind, "_patched_api_call", functools.partial(_without, rival.only))
        install([patch])
        self._patches.append(patch)
        if rival.only is not None and kind in self._were_on:
            instrumentor.instrument()


def _never(instrument: Callable[..., Any]) -> Callable[..., None]:
    """Return an `instrument` that does nothing."""

    @functools.wraps(instrument)
    def aside(*_args: Any, **_named: Any) -> None:
        return None

    return aside


def _without(service: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a wrapper of the API calls of botocore, which passes those to one service through."""

    @functools.wraps(call)
    def aside(instrumentor: Any, original: Any, client: Any, args: Any, kwargs: Any) -> Any:
        if client.meta.service_model.service_name == service:
            return original(*args, **kwargs)
        return call(instrumentor, original, client, args, kwargs)

    return aside
