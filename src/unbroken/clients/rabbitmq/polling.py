"""Messages that come without a block and without a handler: each is current until its giver's next call."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from unbroken.messaging.polled import PollScope


class PolledMessages:
    """The scope of the message that each giver (a channel, a queue, an iterator) gave last."""

    def __init__(self) -> None:
        self._scopes: WeakKeyDictionary[Any, PollScope] = WeakKeyDictionary()

    def enter(self, giver: Any, message: object, scope: PollScope) -> None:
        """Make a message current until `leave`."""
        self._scopes[giver] = scope
        scope.enter(message)

    def leave(self, giver: Any) -> None:
        """End the scope of the last message of a giver, if there is one."""
        scope = self._scopes.pop(giver, None)
        if scope is not None:
            scope.leave()

    def leave_closed(self) -> None:
        """End the messages of givers that are closed: nobody calls them any more."""
        for giver in [giver for giver in list(self._scopes) if giver.is_closed]:
            self.leave(giver)
