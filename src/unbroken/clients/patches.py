"""Patches: names of a client library that zero-code instrumentation replaces, and puts back.

A client's module lists its patches as `PATCHES`; `install` and `uninstall` walk that one list. What was replaced is
remembered on the owner itself, so a patched object can be collected and nothing here knows it any more.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.tracing import warn_once

_REPLACED = "__unbroken_replaced__"
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Patch:
    """One name that is replaced.

    Attributes:
        owner: a class in Python, a module, or one instance.
        name: the attribute.
        wrap: takes what stood there (of a class or an instance: the function, with `self`) and returns what stands
            there instead.
    """

    owner: Any
    name: str
    wrap: Callable[[Any], Any]

    def on(self, owner: object) -> Patch:
        """Return this patch for another owner: one instance of a class that stays as it is."""
        return replace(self, owner=owner)


def _warn_of_nothing() -> None:
    """Every class of the client can be changed in place."""


@dataclass(frozen=True, slots=True)
class ZeroCode:
    """What zero-code instrumentation does to one client: the `ZERO_CODE` of its module.

    Attributes:
        patches: returns what is replaced.
        switch: whether the records that its consumers give become current.
        warn: says in the log what could not be instrumented.
    """

    patches: Callable[[], Iterable[Patch]]
    switch: PollSwitch
    warn: Callable[[], None] = _warn_of_nothing


@dataclass(frozen=True, slots=True)
class _Replaced:
    """What stood in the owner's own namespace (or nothing did, it was inherited), and what stands there now."""

    own: Any
    by: Any


def install(patches: Iterable[Patch]) -> None:
    """Replace each name, once: what is patched already, itself or through its class, stays as it is.

    A name that this version of the client does not have is passed over and said in the log. If one cannot be replaced,
    those before it are put back and the error is raised.
    """
    done: list[Patch] = []
    try:
        for patch in patches:
            if not _is_installed(patch):
                _install(patch)
                done.append(patch)
    except BaseException:
        uninstall(done)
        raise


def uninstall(patches: Iterable[Patch]) -> None:
    """Put back what `install` replaced, the last first; nothing where nothing is installed.

    A name that somebody else replaced after us is left to them, which the log says: ours stays beneath theirs.
    """
    for patch in reversed(list(patches)):
        replaced = _replaced(patch.owner)
        known = replaced.get(patch.name)
        if known is None:
            continue
        if _own(patch) is not known.by:
            warn_once(
                f"{_shown(patch)} was patched by other code after unbroken: uninstrument() leaves that patch in place"
            )
            continue
        if known.own is _MISSING:
            delattr(patch.owner, patch.name)
        else:
            setattr(patch.owner, patch.name, known.own)
        del replaced[patch.name]
        if not replaced:
            delattr(patch.owner, _REPLACED)


def _install(patch: Patch) -> None:
    owner: Any = patch.owner
    own = _own(patch)
    found = own if own is not _MISSING else inspect.getattr_static(owner, patch.name, _MISSING)
    if found is _MISSING:
        warn_once(f"{_shown(patch)} does not exist in the installed version of the client, so it is not instrumented")
        return
    by = patch.wrap(found)
    if own is _MISSING and not inspect.isclass(owner) and not inspect.ismodule(owner):
        by = by.__get__(owner)  # a function of the class, for this one instance
    replaced = _replaced(owner)
    setattr(owner, patch.name, by)
    replaced[patch.name] = _Replaced(own, by)
    setattr(owner, _REPLACED, replaced)


def _is_installed(patch: Patch) -> bool:
    owner: Any = patch.owner
    classes = () if inspect.isclass(owner) else type(owner).__mro__
    return any(patch.name in _replaced(one) for one in (owner, *classes))


def _own(patch: Patch) -> Any:
    names: dict[str, Any] = patch.owner.__dict__
    return names.get(patch.name, _MISSING)


def _replaced(owner: object) -> dict[str, _Replaced]:
    found: dict[str, _Replaced] = getattr(owner, "__dict__", {}).get(_REPLACED, {})
    return found


def _shown(patch: Patch) -> str:
    owner: Any = patch.owner
    if inspect.ismodule(owner):
        return f"{owner.__name__}.{patch.name}"
    kind: Any = owner if isinstance(owner, type) else type(owner)
    return f"{kind.__module__}.{kind.__qualname__}.{patch.name}"
