"""Zero code: the records that were handed out, each with one span, whoever handles it.

A `process` block of a record shares its span, in any thread, also when the loop has gone on. The span ends when the
loop has gone on and no block is open. A record that the application keeps, in the queue of a pool, may still get its
block: its span waits for that until the record is gone, and ends with the time at which the loop went on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable

from unbroken.messaging import consumed
from unbroken.messaging.loop import LoopScope
from unbroken.messaging.message import MessageType
from unbroken.messaging.scope import MessageScope, mark_failed
from unbroken.messaging.semconv import Attributes

_ENDED = (0, 0.0)
"""When a loop went on that was the end of the span, too: nobody asks for the time."""


class PolledScope(LoopScope):
    """The scope of a record that a consumer has handed out.

    Args:
        message: the record.
        attributes: what the consumer knows (group, client id, server).
        probe: what the application keeps of the record, where that is not the message itself.
    """

    find_polled = None  # it is what is looked for

    __slots__ = ("_blocks", "_had_block", "_owner", "_probe", "_refs", "key", "left_at")

    def __init__(self, message: object, attributes: Attributes | None = None, probe: object = None) -> None:
        super().__init__(message, None, None, attributes)
        self.is_current = False
        self._probe = probe
        self.key: Hashable = None
        self.left_at: tuple[int, float] | None = None
        """When the loop went on: nanoseconds since the epoch, and `time.perf_counter()`."""
        self._blocks: list[None] = []
        self._had_block = False
        self._owner = [None]  # `pop` is atomic: of two threads one ends the span
        self._refs = 0

    def count_references(self, kept: int) -> None:
        """Note how many references to the record there are before the application has it."""
        self._refs = self._references() - kept

    def join(self) -> None:
        """Take note of a block of the record."""
        self._blocks.append(None)
        self._had_block = True

    def part(self, error: BaseException | None) -> None:
        """Take note that a block of the record is closed; the last one ends the span when the loop has gone on."""
        if error is not None:
            self._fail(error)
        self._blocks.pop()
        if self.left_at is not None and not self._blocks:
            self.finish()

    def go_on(self) -> None:
        """End the scope, because the loop goes on; the span too, unless somebody else has the record."""
        self.leave()
        if not self._had_block and not self.is_passed_on():
            self.left_at = _ENDED
            self.finish()
            return
        self.left_at = (time.time_ns(), time.perf_counter())
        if self._had_block and not self._blocks:
            self.finish()

    @property
    def has_begun(self) -> bool:
        """Whether the record had its turn in the loop."""
        return self.is_current or self.left_at is not None

    @property
    def has_ended(self) -> bool:
        """Whether the span has ended."""
        return not self._owner

    def finish(self, *, is_late: bool = False) -> None:
        """End the span, once; where it is late with the time at which the loop went on."""
        try:
            self._owner.pop()
        except IndexError:
            return
        if is_late and self.left_at is not None:
            self.end(None, *self.left_at)
        else:
            self.end(None)

    def is_passed_on(self) -> bool:
        """Return whether more than a variable of the loop refers to the record."""
        return self._references() - self._refs > _IN_A_VARIABLE

    def is_released(self) -> bool:
        """Return whether nobody but this scope has the record."""
        return not self._blocks and self._references() <= _ALONE

    def _references(self) -> int:
        return sys.getrefcount(self.message if self._probe is None else self._probe)

    def _fail(self, error: BaseException) -> None:
        timing, self._timing = self._timing, None
        if timing is not None:
            timing.finish(error)
        if self.span.is_recording():
            mark_failed(self.span, error)


class _Variable:
    """Measures what `PolledScope` counts: the references that one variable of a loop makes."""

    def __init__(self) -> None:
        self.probe: object = None

    def enter(self, message: object) -> None:
        self.probe = message
        self.count()

    def count(self) -> None:
        self.refs = sys.getrefcount(self.probe)

    def now(self) -> int:
        return sys.getrefcount(self.probe)


def _measure_references() -> tuple[int, int]:
    measured = _Variable()

    def poll() -> object:
        message = object()
        measured.enter(message)
        return message

    message = poll()
    in_a_variable = measured.now() - measured.refs
    del message
    return in_a_variable, measured.now()


_IN_A_VARIABLE, _ALONE = _measure_references()


_scopes: dict[Hashable, PolledScope] = {}
"""The records that were handed out, by what they are known by."""


def find_polled(message_type: MessageType, message: object) -> PolledScope | None:
    """Return the scope of a record that was handed out and had its turn, None for any other."""
    if not _scopes:
        return None
    scope = _scopes.get(consumed.identify(message_type, message))
    return scope if scope is not None and scope.has_begun else None


def remember(scope: PolledScope) -> None:
    """Remember a record, for the blocks that the application may put around its handling."""
    scope.key = consumed.identify(scope.message_type, scope.message)
    _scopes[scope.key] = scope
    MessageScope.find_polled = staticmethod(find_polled)


def forget(scope: PolledScope) -> None:
    """Forget a record; a block of it would have a span of its own."""
    if _scopes.get(scope.key) is scope:
        del _scopes[scope.key]
