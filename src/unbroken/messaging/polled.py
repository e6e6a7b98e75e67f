"""Zero code: the scope of the record that a consumer gave last, for loops that have no handler to wrap.

polled = PollScope(switch, attributes)     one for each consumer

polled.leave()                             the consumer's next call, or its close
message = consumer.poll(1.0)
if message is not None:
polled.enter(message)                  the record's span is current until the next `leave`
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from typing import Any
from weakref import WeakSet

from unbroken.errors import UnknownMessage
from unbroken.messaging import consumed
from unbroken.messaging.batches import BatchScope, MessageBatch, leave_batch
from unbroken.messaging.handed_out import PolledScope, forget, remember
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error

MAX_HANDED_OUT = 16_384
"""How many records of one client library are kept in mind after their loops went on; the oldest make room."""
_CHECKS = 2
"""Of how many of them each call looks whether they are gone: more than it adds."""


class PollSwitch:
    """The consumers of one client library, while it is instrumented: off, no record of theirs becomes current."""

    def __init__(self) -> None:
        self.is_on = False
        self._consumers: WeakSet[PollScope] = WeakSet()
        self._adding = threading.Lock()
        self._handed_out: deque[PolledScope] = deque()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_parent)

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

    def keep(self, scope: PolledScope) -> None:
        """Keep a record in mind until nobody else has it."""
        self._handed_out.append(scope)
        if len(self._handed_out) > MAX_HANDED_OUT:
            self._let_go(1, force=True)

    @property
    def has_kept(self) -> bool:
        """Whether records are kept in mind."""
        return bool(self._handed_out)

    def let_go(self, most: int) -> None:
        """Let go of the records that nobody else has, of the `most` oldest."""
        self._let_go(min(most, len(self._handed_out)), force=False)

    def leave_all(self) -> None:
        """End the scopes that are open."""
        with self._adding:
            consumers = list(self._consumers)
        for polled in consumers:
            polled.leave()
            polled.leave()  # the record before the last is kept for one call more
        self._let_go(len(self._handed_out), force=True)

    def _let_go(self, most: int, *, force: bool) -> None:
        for _ in range(most):
            try:
                scope = self._handed_out.popleft()
            except IndexError:  # another thread took it
                return
            if force or scope.is_released():
                forget(scope)
                consumed.forget((scope.key,))
                scope.finish(is_late=True)
            else:
                self._handed_out.append(scope)

    def _forget_parent(self) -> None:
        """Leave to the parent process what was open there: it is the parent that ends the spans."""
        self._adding = threading.Lock()  # the thread that may have held it is not in this process
        for polled in list(self._consumers):
            polled.forget()
        for scope in self._handed_out:
            forget(scope)
        self._handed_out.clear()


class PollScope:
    """The scope of one consumer's last record. No method raises because of telemetry.

    It knows nothing of the consumer, which keeps it: when the consumer is collected, the span ends.

    Args:
        switch: of the client library.
        attributes: what the consumer knows (group, client id, server), for the spans of its records.
    """

    __slots__ = ("__weakref__", "_attributes", "_before", "_checks", "_is_known", "_open", "switch")

    def __init__(self, switch: PollSwitch, attributes: Attributes | None = None) -> None:
        self._open: list[PolledScope] = []  # at most one; `pop` is atomic where two threads leave at once
        self.switch = switch
        self._attributes = attributes
        self._before: PolledScope | None = None
        self._checks = _CHECKS
        self._is_known = False

    def enter(self, message: object, probe: object = None, kept: int = 0) -> None:
        """End the scope of the record before and make this record's context current.

        Args:
            message: the record.
            probe: what the application gets of it, where that is not the message itself.
            kept: how many references to that the caller keeps while the application has it.
        """
        if self._open:
            self.leave()
        if not self.switch.is_on:
            return
        try:
            if not self._is_known:
                self.switch.add(self)
                self._is_known = True
            try:
                scope = PolledScope(message, self._attributes, probe)
            except UnknownMessage:  # the double of a test: handed on
                return
            scope.open()
            if scope.is_current:
                scope.count_references(kept)
                remember(scope)
                self._open.append(scope)
        except Exception as error:
            log_internal_error("a polled record", error)

    def hand_out(self, messages: list[Any]) -> list[Any]:
        """Return the messages of a poll that gives several, as a list in which each is current in its turn."""
        if not messages or not self.switch.is_on:
            return messages
        try:
            self._checks = _CHECKS + 2 * len(messages)
            return MessageBatch(messages, [self._note(message) for message in messages])
        except Exception as error:
            log_internal_error("a polled batch", error)
            return messages

    def leave(self) -> None:
        """End the scope of the last record, if there is one; the context becomes what it was under it.

        Only where it is current: another consumer's scope, and the context of another thread, stay as they are.
        """
        scope = self._taken() if self._open else None
        try:
            if scope is None:
                leave_batch()
            else:
                scope.go_on()
                if scope.is_released():
                    forget(scope)
                    scope = None
            before, self._before = self._before, scope
            if before is not None:
                self._drop(before)
            if self.switch.has_kept:
                self.switch.let_go(self._checks)
                self._checks = _CHECKS
        except Exception as error:
            log_internal_error("a polled record", error)

    def forget(self) -> None:
        """Let the scope of the last record go; its span stays open."""
        scope = self._taken()
        if scope is not None:
            scope.is_current = False
            forget(scope)

    def _note(self, message: object) -> BatchScope | None:
        try:
            scope = BatchScope(message, self._attributes)
        except UnknownMessage:
            return None
        remember(scope)
        consumed.note(scope.message_type, message, is_kept=True)
        self.switch.keep(scope)
        return scope

    def _drop(self, scope: PolledScope) -> None:
        """Let a record go whose variable has another value by now; keep it in mind if the application has it still."""
        if not scope.is_released():
            self.switch.keep(scope)
            return
        forget(scope)
        if not scope.has_ended:
            scope.finish(is_late=True)

    def _taken(self) -> PolledScope | None:
        try:
            return self._open.pop()
        except IndexError:  # another thread was first
            return None

    def __del__(self) -> None:
        scope = self._taken()
        if scope is not None:
            scope.leave()
            forget(scope)
            scope.finish()
        if (before := self._before) is not None:
            self._drop(before)
