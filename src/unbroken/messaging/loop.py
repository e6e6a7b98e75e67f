"""The scope of a message in a loop: no block is around its handler, the next step of the loop ends it.

There is no token: nobody knows in which order such scopes end, nor in which thread. Each remembers instead the context
that it was put over. A context whose scope has ended stands for the one under it, and so on down to the application's
own. So it does not matter which of two loops goes on first; and a thread in which nothing was changed when another
thread ended the scope finds its way back at its next step.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span

from unbroken.messaging.scope import SCOPE_KEY, MessageScope
from unbroken.propagation.context import SPAN_KEY, attach, current, is_suppressed


class LoopScope(MessageScope):
    """A `MessageScope` that is current until it is closed, wherever that happens.

    Attributes:
        base: the application's own context, without the message of any loop.
        is_current: whether its loop has not gone on.
    """

    __slots__ = ("base", "is_current")

    base: Context
    is_current: bool

    def open(self) -> Span:
        """Start the span of the message, make its context current and return the span."""
        self.is_current = False
        self.around = self.base = around = find_living(current())
        if around and isinstance(under := around.get(SCOPE_KEY), LoopScope):
            self.base = _base(around, under)
            _compact(under)
        if (inside := self._start(self.base)) is not None:
            self.is_current = True
            attach(inside)
        return self.span

    def close(self, error: BaseException | None = None) -> None:
        """Make the context under the scope current again, where it is current, and end the span."""
        if self.leave():
            self.end(error)

    def leave(self) -> bool:
        """Make the context under the scope current again, where it is current; return whether this was the first time.

        Another loop's scope, and the context of another thread, stay as they are.
        """
        was_current, self.is_current = self.is_current, False
        around = current()
        if around.get(SCOPE_KEY) is self and _is_only(around, self):  # the common case: 0.4 µs less
            attach(find_living(self.around) if self.around else self.around)
        else:
            return_to_living()
        return was_current


def return_to_living() -> None:
    """Leave the scopes that have ended and are current here."""
    around = current()
    if around and (living := find_living(around)) is not around:
        attach(living)


def find_living(context: Context) -> Context:
    """Return the context without the scopes that have ended: itself, or the nearest under it."""
    while True:
        scope: Any = context.get(SCOPE_KEY)
        if not isinstance(scope, LoopScope) or scope.is_current or _is_in_use(context, scope):
            return context
        context = scope.around


def _is_in_use(context: Context, scope: LoopScope) -> bool:
    """Return whether a block of the application is open over an ended scope: not a context it forgot to detach."""
    span: Any = context.get(SPAN_KEY)
    return not _is_only(context, scope) and (is_suppressed(context) or span.is_recording())


def _base(context: Context, scope: LoopScope) -> Context:
    """Return the application's own context, of one that has another loop's message in it.

    What the application opened over that message is its own; the message alone is not: it gives no link.
    """
    return scope.base if _is_only(context, scope) else context


def _is_only(context: Context, scope: LoopScope) -> bool:
    """Return whether the application has opened nothing of its own over the message."""
    span: Any = context.get(SPAN_KEY)
    return (span is scope.span or span is None) and not is_suppressed(context)


def _compact(scope: Any) -> None:
    """Let go of ended scopes under an open one: loops that take turns for ever keep one message each."""
    while isinstance(scope, LoopScope):
        scope.around = find_living(scope.around)
        scope = scope.around.get(SCOPE_KEY)
