"""Zero code: the messages of a poll that gives several, each current in its turn of a loop over them.

A list cannot know whether a pass over it handles its messages or only looks at them. So the span of a message starts
when something in its turn uses the current span: a span below it, a log line, a message that is sent. A pass that uses
nothing makes no span, and a second pass goes on with the span of the first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsIndex, overload

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from unbroken.messaging.handed_out import PolledScope
from unbroken.messaging.loop import return_to_living
from unbroken.messaging.message import origin_of
from unbroken.messaging.policy import Policy
from unbroken.messaging.scope import SCOPE_KEY, put_around
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.context import SPAN_KEY, Origin, current


class BatchScope(PolledScope):
    """The scope of one message of a batch: entered in each turn, its span started on first use."""

    __slots__ = ("_entered_at", "_start_time", "_unstarted")

    def __init__(self, message: object, attributes: dict[str, Any] | None = None) -> None:
        super().__init__(message, attributes)
        self._unstarted: UnstartedSpan | None = None
        self._entered_at = 0
        self._start_time: int | None = None

    def enter(self) -> None:
        """Make the context of the message current. Never raises."""
        try:
            if not self.has_begun:
                self._entered_at = time.time_ns()
            self.open()
        except Exception as error:
            log_internal_error("a message of a batch", error)

    def join(self) -> None:
        """Take note of a block of the message: it is handled."""
        super().join()
        if self._unstarted is not None:
            self._unstarted.start()

    def go_on(self) -> None:
        """End the turn of the message."""
        if self.left_at is None:
            self.left_at = (time.time_ns(), time.perf_counter())
        self.leave()
        if not self._blocks:
            self.finish()

    def finish(self, *, is_late: bool = False) -> None:
        """End the span, once, if it was started."""
        if self._unstarted is not None and self._unstarted.is_started:
            super().finish(is_late=is_late)

    def _start(self, ambient: Context) -> Context | None:
        if self._unstarted is None:
            return super()._start(ambient)
        around = put_around(ambient, origin_of(self.message_type, self.message))
        return Context({**around, SPAN_KEY: self._unstarted, SCOPE_KEY: self})

    def _begin(
        self,
        ambient: Context,
        around: dict[str, object],
        creation: SpanContext | None,
        origin: Origin | None,
        rules: Policy,
    ) -> Span | None:
        if self._unstarted is None:
            before = dict(around)  # the span itself comes into the other
            begin = super()._begin

            def start() -> Span | None:
                return self._start_span(lambda: begin(ambient, before, creation, origin, rules))

            self._unstarted = UnstartedSpan(start)
        return self._unstarted

    def _start_span(self, begin: Callable[[], Span | None]) -> Span | None:
        is_over = self.left_at is not None and not self._blocks
        if is_over:  # in a task or a thread that goes on after the turn
            self._start_time = self._entered_at
        span = begin()
        if is_over:
            self.span = span or INVALID_SPAN
            super().finish(is_late=True)
        return span


class UnstartedSpan(Span):
    """A span that starts when it is used first.

    Args:
        start: returns the span; called once.
    """

    def __init__(self, start: Callable[[], Span | None]) -> None:
        self._start: Callable[[], Span | None] | None = start
        self._span: Span = INVALID_SPAN
        self._is_started = False
        self._lock = threading.RLock()  # what is told of a start (a processor) may use the current span, this one

    @property
    def is_started(self) -> bool:
        """Whether it was used."""
        return self._is_started

    def start(self) -> Span:
        """Start the span, unless it was started before, and return it; while it is being started, no span."""
        if not self._is_started:
            with self._lock:
                if (start := self._start) is not None:
                    self._start = None
                    self._span = start() or INVALID_SPAN
                    self._is_started = True
        return self._span

    def get_span_context(self) -> SpanContext:
        """Return the context of the span."""
        return self.start().get_span_context()

    def is_recording(self) -> bool:
        """Return whether the span is recorded."""
        return self.start().is_recording()

    def end(self, end_time: int | None = None) -> None:
        """End the span."""
        self.start().end(end_time)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes."""
        self.start().set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute."""
        self.start().set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        self.start().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link."""
        self.start().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Change the name."""
        self.start().update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status."""
        self.start().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Record an exception as an event."""
        self.start().record_exception(exception, attributes, timestamp, escaped)

    def __getattr__(self, name: str) -> Any:
        """Return what the SDK's span has beside the methods of the API."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.start(), name)


class MessageBatch(list[Any]):
    """The messages of one poll: a list in every respect, whose messages are current in their turns of a loop over it.

    What is copied from it by slices or `copy` is one too. It is pickled as a plain list.
    """

    def __init__(self, messages: Iterable[Any], scopes: Iterable[BatchScope | None]) -> None:
        super().__init__(messages)
        self._scopes = {id(scope.message): scope for scope in scopes if scope is not None}

    def __iter__(self) -> Iterator[Any]:
        return _Turns(self, self._scopes)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return self._part(found) if isinstance(index, slice) else found

    def copy(self) -> list[Any]:
        """Return a copy."""
        return self._part(super().copy())

    def __copy__(self) -> list[Any]:
        return self.copy()

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Any]], tuple[list[Any]]]:
        return list, (super().copy(),)

    def _part(self, messages: list[Any]) -> list[Any]:
        part = MessageBatch(messages, ())
        part._scopes = self._scopes
        return part


class _Turns:
    """One pass over a batch."""

    __slots__ = ("_batch", "_position", "_scope", "_scopes")

    def __init__(self, batch: list[Any], scopes: Mapping[int, BatchScope]) -> None:
        self._batch = batch
        self._scopes = scopes
        self._position = 0
        self._scope: BatchScope | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._end_turn()
        if self._position >= len(self._batch):
            self._batch = []  # as that of a list, it stays at its end
            raise StopIteration
        message = self._batch[self._position]
        self._position += 1
        scope = self._scopes.get(id(message))
        if scope is not None and not scope.is_current:
            scope.enter()
            self._scope = scope
        return message

    def __length_hint__(self) -> int:
        return max(0, len(self._batch) - self._position)

    def _end_turn(self) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            try:
                scope.go_on()
            except Exception as error:
                log_internal_error("a message of a batch", error)

    def __del__(self) -> None:
        self._end_turn()


def leave_batch() -> None:
    """End the turn that is current here, of a loop that its application has left and still keeps."""
    around = current()
    if not around:
        return
    scope: Any = around.get(SCOPE_KEY)
    if isinstance(scope, BatchScope) and scope.is_current:
        scope.go_on()
    else:
        return_to_living()
