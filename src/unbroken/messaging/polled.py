"""The scope of the record that a consumer gave last, for loops that give us no handler to wrap.

    polled = PollScope(POLLING, attributes)       one for each consumer

    polled.leave()                             the consumer's next call, or its close
    message = consumer.poll(1.0)
    if message is not None:
        polled.enter(message)                  the record's span is current until the next `leave`

There is no token: nobody knows in which order consumers leave, nor in which thread. Each scope remembers instead the
context that it was put over. What is to be current is found by looking: a context whose scope is closed stands for the
one under it, and so on down to the application's own. So it does not matter which of two consumers leaves first; and a
thread in which nothing was changed when another thread closed the consumer finds its way back at its next call.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any
from weakref import WeakSet

from opentelemetry.context import Context

from unbroken.messaging.process import SCOPE_KEY, held, process
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.context import SPAN_KEY, attach, current, is_suppressed


class PollSwitch:
    """The consumers of one client library, while it is instrumented: off, no record of theirs becomes current."""

    def __init__(self) -> None:
        self.is_on = False
        self._consumers: WeakSet[PollScope] = WeakSet()
        self._adding = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def start(self) -> None:
        """Let the records of these consumers become current."""
        self.is_on = True

    def stop(self) -> None:
        """End what is open and open nothing more."""
        self.is_on = False
        self.leave_all()

    def add(self, polled: PollScope) -> None:
        """Keep a consumer in mind, as long as it lives."""
        with self._adding:
            self._consumers.add(polled)
        # Exit handlers run last in, first out. The tracer provider's own, after which no span can be exported, was
        # registered when it was made: before the first record of this consumer.
        atexit.unregister(self.leave_all)
        atexit.register(self.leave_all)

    def _forked(self) -> None:
        """Leave to the parent process what was open there: it is the parent that ends the spans."""
        self._adding = threading.Lock()  # the thread that may have held it is not in this process
        for polled in list(self._consumers):
            polled.forget()

    def leave_all(self) -> None:
        """End the scopes that are open."""
        with self._adding:
            consumers = list(self._consumers)
        for polled in consumers:
            polled.leave()


class PollScope:
    """The scope of one consumer's last record. No method raises because of telemetry.

    It knows nothing of the consumer, which keeps it: when the consumer is collected, the span ends.

    Args:
        polling: the switch of its client library.
        attributes: what the consumer knows (group, client id, server), for the spans of its records.
    """

    __slots__ = ("__weakref__", "_attributes", "_inside", "_is_known", "_open", "_polling")

    def __init__(self, polling: PollSwitch, attributes: Attributes | None = None) -> None:
        self._open: list[_Scope] = []  # at most one; `pop` is atomic where two threads leave at once
        self._polling = polling
        self._attributes = attributes
        self._is_known = False

    def enter(self, message: object) -> None:
        """End the scope of the record before and make this record's context current."""
        if self._open:
            self.leave()
        if not self._polling.is_on:
            return
        try:
            if not self._is_known:
                self._polling.add(self)
                self._is_known = True
            scope = _Scope(message, None, attributes=self._attributes)
            scope.outer = scope.base = outer = _living(current())
            if outer and type(under := outer.get(SCOPE_KEY)) is _Scope:
                scope.base = _base(outer, under)
                _compact(under)
            inside = scope.opened(scope.base)
            if inside is not None:
                scope.is_open = True
                held[id(message)] = (scope, inside)
                self._inside = inside  # not on the scope, which is in it: such a cycle would wait for the collector
                self._open.append(scope)
                attach(inside)
        except Exception as error:
            log_internal_error("a polled record", error)

    def leave(self) -> None:
        """End the scope of the last record, if there is one; the context becomes what it was under it.

        Only where it is current: another consumer's scope, and the context of another thread, stay as they are.
        """
        scope = self._taken() if self._open else None
        try:
            around = current()
            if scope is not None and around is self._inside:  # the common case: 0.4 µs less
                outer = scope.outer
                attach(_living(outer) if outer else outer)
            elif around and (living := _living(around)) is not around:
                attach(living)
        except Exception as error:
            log_internal_error("a polled record", error)
        if scope is not None:
            scope.closed(None)

    def forget(self) -> None:
        """Let the scope of the last record go; its span stays open."""
        scope = self._taken()
        if scope is not None:
            held.pop(id(scope.message), None)

    def _taken(self) -> _Scope | None:
        try:
            scope = self._open.pop()
        except IndexError:  # another thread was first
            return None
        scope.is_open = False
        return scope

    def __del__(self) -> None:
        scope = self._taken()
        if scope is None:
            return
        # This can happen at any moment of any thread: only what is plainly ours is taken away.
        if current() is self._inside:
            attach(_living(scope.outer))
        scope.closed(None)


class _Scope(process):
    """The record that is current.

    Attributes:
        outer: the context that was current before, restored after it.
        base: the application's own context, without any record of any consumer.
        is_open: whether its consumer has not called again.
    """

    __slots__ = ("base", "is_open", "outer")

    base: Context
    is_open: bool
    outer: Context

    def closed(self, error: BaseException | None) -> None:
        """End the span, unless a `process` of the same message in another thread has taken it over."""
        if held.pop(id(self.message), None) is not None:
            process.closed(self, error)  # 0.1 µs less than by super()


def _living(context: Context) -> Context:
    """Return the context without the records that have ended: itself, or the nearest under it."""
    while True:
        scope: Any = context.get(SCOPE_KEY)
        if type(scope) is not _Scope or scope.is_open:
            return context
        if _is_in_use(context, scope):
            return context
        context = scope.outer


def _is_in_use(context: Context, scope: _Scope) -> bool:
    """Return whether a block of the application is open over an ended record: not a context it forgot to detach."""
    span: Any = context.get(SPAN_KEY)
    return not _is_only(context, scope) and (is_suppressed(context) or span.is_recording())


def _base(context: Context, scope: _Scope) -> Context:
    """Return the application's own context, of one that has another consumer's record in it.

    What the application opened over that record is its own; the record alone is not: it gives no link.
    """
    return scope.base if _is_only(context, scope) else context


def _is_only(context: Context, scope: _Scope) -> bool:
    """Return whether the application has opened nothing of its own over the record."""
    span: Any = context.get(SPAN_KEY)
    return (span is scope.span or span is None) and not is_suppressed(context)


def _compact(scope: Any) -> None:
    """Let go of ended records under an open one: consumers that take turns for ever keep one record each."""
    while type(scope) is _Scope:
        scope.outer = _living(scope.outer)
        scope = scope.outer.get(SCOPE_KEY)
