"""OpenTelemetry's own instrumentations of the same client: while ours is on, they step aside.

Two spans of one message are never right, and only we know of both. They come back as they were, with the hooks and
providers that they were given: their `instrument` is not called again. What is put back is what their `uninstrument`
took away, object for object. Where `instrument` is called while ours is on, its arguments wait until ours is off.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from unbroken.clients.patches import Patch, install, uninstall
from unbroken.messaging.tracing import log_internal_error, warn_once

_PACKAGE = "opentelemetry.instrumentation"
Names = dict[str, Any]
"""What stands under the names of a module, a class or an object."""
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class ContribInstrumentor:
    """An instrumentor of contrib.

    Attributes:
        module: below `opentelemetry.instrumentation`.
        name: its class.
        packages: the packages whose names it replaces.
        only: the service, where it instruments more than ours does: its calls to other services are left to it.
    """

    module: str
    name: str
    packages: tuple[str, ...] = ()
    only: str | None = None

    def load(self) -> Any:
        """Return the one instance of its class, None where it is not installed or does not suit the client."""
        try:
            return getattr(importlib.import_module(f"{_PACKAGE}.{self.module}"), self.name)()
        except Exception:
            return None


class Aside:
    """The instrumentors of contrib that have stepped aside for one of ours."""

    def __init__(self, instrumentors: tuple[ContribInstrumentor, ...]) -> None:
        self._instrumentors = instrumentors
        self._aside: list[_SetAside | _WithoutService] = []

    def step(self) -> None:
        """Set those aside that are on, and keep the others from being switched on, whenever they are loaded."""
        for known in self._instrumentors:
            instrumentor = known.load()
            if instrumentor is None:
                continue
            try:
                aside = _SetAside(known, instrumentor) if known.only is None else _WithoutService(known, instrumentor)
                aside.step()
                self._aside.append(aside)
            except Exception as error:
                log_internal_error(f"{known.name} stepping aside", error)

    def back(self) -> None:
        """Let them be as they were."""
        while self._aside:
            aside = self._aside.pop()
            try:
                aside.back()
            except Exception as error:
                log_internal_error(f"{aside.known.name} coming back", error)


class _SetAside:
    """An instrumentor whose replacements are put away, and put back."""

    def __init__(self, known: ContribInstrumentor, instrumentor: Any) -> None:
        self.known = known
        self._instrumentor = instrumentor
        self._packages = (f"{_PACKAGE}.{known.module}", *known.packages)
        self._changes: list[tuple[Any, str, Any, Any]] = []
        self._state: dict[str, Any] | None = None
        self._waiting: dict[str, Any] | None = None
        kind: Any = instrumentor.__class__
        self._patches = [Patch(kind, "instrument", self._keep), Patch(kind, "uninstrument", self._forget)]

    def step(self) -> None:
        """Take away what it has put in place of the client's own."""
        if self._instrumentor.is_instrumented_by_opentelemetry:
            self._state = dict(_names_of(self._instrumentor))
            before = _names(self._packages)
            self._instrumentor.uninstrument()
            self._changes = list(_changes(before, _names(self._packages)))
        install(self._patches)

    def back(self) -> None:
        """Put it back, or switch it on with what it was given meanwhile."""
        uninstall(self._patches)
        if self._state is not None:
            for owner, name, theirs, left in self._changes:
                if _names_of(owner).get(name, _MISSING) is left:  # else somebody has replaced it since
                    _put(owner, name, theirs)
            _names_of(self._instrumentor).update(self._state)
        if self._waiting is not None and not self._instrumentor.is_instrumented_by_opentelemetry:
            self._instrumentor.instrument(**self._waiting)

    def _keep(self, instrument: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(instrument)
        def wait(_: Any, **given: Any) -> None:
            self._waiting = given

        return wait

    def _forget(self, uninstrument: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(uninstrument)
        def stay_off(_: Any, **__: Any) -> None:
            self._waiting = self._state = None

        return stay_off


class _WithoutService:
    """An instrumentor of all services of AWS, which leaves the calls to one of them alone."""

    def __init__(self, known: ContribInstrumentor, instrumentor: Any) -> None:
        self.known = known
        self._instrumentor = instrumentor
        self._patches = [Patch(type(instrumentor), "instrument", self._instrument)]

    def step(self) -> None:
        """Leave the calls alone from now on."""
        install(self._patches)
        self._wrap()

    def back(self) -> None:
        """See the calls again."""
        uninstall(self._patches)
        registry = getattr(self._instrumentor, "extension_registry", None)
        if isinstance(registry, _Registry):
            self._instrumentor.extension_registry = registry.registry

    def _wrap(self) -> None:
        if not self._instrumentor.is_instrumented_by_opentelemetry:
            return
        registry = getattr(self._instrumentor, "extension_registry", None)
        if registry is None:
            warn_once(f"{self.known.name} is of a version that unbroken does not know: calls to SQS have two spans")
        elif not isinstance(registry, _Registry):
            self._instrumentor.extension_registry = _Registry(registry, self.known.only)

    def _instrument(self, instrument: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(instrument)
        def instrument_without(instrumentor: Any, **given: Any) -> Any:
            found = instrument(instrumentor, **given)
            self._wrap()
            return found

        return instrument_without


class _Registry:
    """The extensions by which contrib's instrumentor of botocore decides what it traces."""

    def __init__(self, registry: Any, service: str | None) -> None:
        self.registry = registry
        self._service = service

    def get_extension(self, call: Any) -> Any:
        """Return the extension of a call; that of one to our service is not traced."""
        return _Untraced() if call.service == self._service else self.registry.get_extension(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.registry, name)


class _Untraced:
    @staticmethod
    def should_trace_service_call() -> bool:
        return False


def _names(packages: Iterable[str]) -> dict[int, tuple[Any, Names]]:
    """Return what stands under each name of these packages: of their modules, their classes, and their subclasses."""
    found: dict[int, tuple[Any, Names]] = {}
    packages = tuple(packages)
    waiting: list[Any] = [module for path, module in list(sys.modules.items()) if _is_within(path, packages)]
    while waiting:
        owner = waiting.pop()
        if id(owner) in found or not hasattr(owner, "__dict__"):
            continue
        names = dict(_names_of(owner))
        found[id(owner)] = (owner, names)
        waiting += [
            value for value in names.values() if isinstance(value, type) and _is_within(value.__module__, packages)
        ]
        if isinstance(owner, type):
            waiting += type.__subclasses__(owner)
    return found


def _names_of(owner: Any) -> Names:
    names: Names = owner.__dict__
    return names


def _is_within(path: object, packages: tuple[str, ...]) -> bool:
    return isinstance(path, str) and any(path == package or path.startswith(f"{package}.") for package in packages)


def _changes(
    before: dict[int, tuple[Any, Names]], after: dict[int, tuple[Any, Names]]
) -> Iterator[tuple[Any, str, Any, Any]]:
    """Return owner, name, what stood there and what stands there now, for each name that was changed."""
    for key, (owner, names) in before.items():
        now = after[key][1] if key in after else dict(_names_of(owner))
        for name in names.keys() | now.keys():
            was, is_ = names.get(name, _MISSING), now.get(name, _MISSING)
            if was is not is_ and not name.startswith("__"):
                yield owner, name, was, is_


def _put(owner: Any, name: str, value: Any) -> None:
    if value is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, value)
