"""One call of a client of botocore, and the block around it, which sees what leaves the call without an event.

botocore has no event for parameters that it refuses itself, nor for a task that is cancelled.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ClassVar

from unbroken.messaging.tracing import log_internal_error

MAKE_CALL = "_make_api_call"
"""The one private name of botocore that is used: its methods all end there, and tests of applications replace it.

Where a later version has none, a refused or cancelled call leaves its span open.
"""


class Call:
    """One call between its events."""

    __slots__ = ("_is_over",)

    def __init__(self) -> None:
        self._is_over = False

    def end(self, parsed: dict[str, Any] | None, error: BaseException | str | None) -> None:
        """Take what the service answered, and the error or its code; once, and never raises."""
        if self._is_over:
            return
        self._is_over = True
        try:
            self._end(parsed or {}, error)
        except Exception as failure:
            log_internal_error("the end of a call", failure)

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        raise NotImplementedError


class CallBlock:
    """The block of one call: left by an exception that no event told, it tells the call."""

    __slots__ = ("_token", "call")

    current: ClassVar[ContextVar[CallBlock | None]] = ContextVar("unbroken-sqs-call", default=None)
    """The block of the call that is being made."""

    def __init__(self) -> None:
        self.call: Call | None = None

    def __enter__(self) -> None:
        self._token = CallBlock.current.set(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        CallBlock.current.reset(self._token)
        if error is not None and self.call is not None:
            self.call.end(None, error)


def put_block(client: Any) -> None:
    """Put a block around each call of a client; once is enough."""
    before = _own_call(client)
    if hasattr(client, MAKE_CALL) and not isinstance(before, _BlockedCall):
        is_async = inspect.iscoroutinefunction(getattr(client.__class__, MAKE_CALL, None))
        setattr(client, MAKE_CALL, (_AsyncBlockedCall if is_async else _BlockedCall)(client, before))


def take_block(client: Any) -> None:
    """Leave the calls of a client as they were; nothing where there is no block around them."""
    ours = _own_call(client)
    if isinstance(ours, _BlockedCall):
        ours.give_back()


def _own_call(client: Any) -> Any:
    """Return what stands in the place of the call on this one client, None when it is that of its class."""
    return client.__dict__.get(MAKE_CALL)


class _BlockedCall:
    """The call of one client, inside a block."""

    __slots__ = ("_before", "_client")

    def __init__(self, client: Any, before: Any) -> None:
        self._client = client
        self._before = before

    def __call__(self, *args: Any, **named: Any) -> Any:
        with CallBlock():
            return self.make(*args, **named)

    def make(self, *args: Any, **named: Any) -> Any:
        """Make the call, as the client would: what was put on its class meanwhile, by a test, is called."""
        if self._before is not None:
            return self._before(*args, **named)
        return getattr(self._client.__class__, MAKE_CALL)(self._client, *args, **named)

    def give_back(self) -> None:
        """Leave the call of the client as it was."""
        if self._before is not None:
            setattr(self._client, MAKE_CALL, self._before)
        else:
            delattr(self._client, MAKE_CALL)


class _AsyncBlockedCall(_BlockedCall):
    """The same of a client of aiobotocore."""

    __slots__ = ()

    async def __call__(self, *args: Any, **named: Any) -> Any:
        with CallBlock():
            return await self.make(*args, **named)
