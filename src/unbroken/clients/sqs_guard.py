"""The call of one client of botocore, inside a block: it sees what leaves a call without an event.

botocore has no event for parameters that it refuses itself, nor for a task that is cancelled.
"""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Any, ClassVar, Protocol

# The one private name of botocore that is used: its methods all end there, and tests of applications replace it. Where
# a later version has none, a refused or cancelled call leaves its span open.
_MAKE_CALL = "_make_api_call"


def guard(client: Any, guarded: type[Guarded]) -> None:
    """Guard the calls of a client in the way of its library; once is enough."""
    before = _own_call(client)
    if hasattr(client, _MAKE_CALL) and not isinstance(before, Guarded):
        setattr(client, _MAKE_CALL, guarded(client, before))


def unguard(client: Any) -> None:
    """Leave the calls of a client as they were; nothing where they are not guarded."""
    ours = _own_call(client)
    if isinstance(ours, Guarded):
        ours.give_back()


def _own_call(client: Any) -> Any:
    """Return what stands in the place of the call on this one client, None when it is that of its class."""
    return client.__dict__.get(_MAKE_CALL)


class Guarded:
    """The call of one client, inside a `Guard`; a subclass calls it in the way of its library."""

    __slots__ = ("_before", "_client")

    def __init__(self, client: Any, before: Any) -> None:
        self._client = client
        self._before = before

    def make(self, *args: Any, **named: Any) -> Any:
        """Make the call, as the client would: what was put on its class meanwhile, by a test, is called."""
        if self._before is not None:
            return self._before(*args, **named)
        return getattr(self._client.__class__, _MAKE_CALL)(self._client, *args, **named)

    def give_back(self) -> None:
        """Leave the call of the client as it was."""
        if self._before is not None:
            setattr(self._client, _MAKE_CALL, self._before)
        else:
            delattr(self._client, _MAKE_CALL)


class Ending(Protocol):
    """A call that can be told its end."""

    def end(self, parsed: dict[str, Any] | None, error: BaseException | str | None) -> None:
        """Take what the service answered, and the error or its code; once, and never raises."""


class Guard:
    """A block of one call: left by an exception that no event told, it tells the call."""

    __slots__ = ("_token", "call")

    current: ClassVar[ContextVar[Guard | None]] = ContextVar("unbroken-sqs-call", default=None)
    """The guard of the call that is being made."""

    def __init__(self) -> None:
        self.call: Ending | None = None

    def __enter__(self) -> None:
        self._token = Guard.current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        Guard.current.reset(self._token)
        if error is not None and self.call is not None:
            self.call.end(None, error)
