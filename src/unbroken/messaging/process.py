"""`process`: one message, one CONSUMER span, its own trace; attach and detach always."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from unbroken.errors import OpenTwice
from unbroken.messaging import semconv
from unbroken.messaging.decorate import decorate, is_handler
from unbroken.messaging.message import MessageType, check_attributes, known_types, origin_of, type_of
from unbroken.messaging.metrics import Instruments, Timing, count_malformed, instruments, labels, seconds_since
from unbroken.messaging.policy import Correlation, Policy, active_policy, known_correlation
from unbroken.messaging.receipts import remember
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error, log_missing_sdk, tracing
from unbroken.propagation import context
from unbroken.propagation.context import (
    BAGGAGE_KEY,
    NOTHING,
    SPAN_KEY,
    Origin,
    attach,
    current,
    detach,
    is_same,
    is_suppressed,
)

SCOPE_KEY = "unbroken-process"
"""Where the context keeps the scope of the message that is being processed."""

_CONSUMER = SpanKind.CONSUMER

RECEIVE_KEY = "unbroken-receive"
"""Where the context keeps the `receive` block, which has counted its messages."""


P = ParamSpec("P")
T = TypeVar("T")
Block = TypeVar("Block", bound="process")

_NO_MESSAGE: Any = object()
"""What `process` is given as a decorator with arguments."""


held: dict[int, tuple[process, Context]] = {}
"""What zero code keeps current, by the identity of the message: `process` in another thread takes its span over."""

counted: dict[int, object] = {}
"""The messages that a poll under zero code has counted as consumed, by identity, until the consumer's next call."""


class process:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which the handler of one message runs; the same `with` in synchronous and asynchronous code.

    Inside it the message's own CONSUMER span is current, child of the span that created the message, and the baggage
    is the message's. After it the context is what it was before, however the block ends. An exception marks the span
    and passes untouched. The block of a message inside the block of the same message is one block.

        with process(message) as span:
            handle(message)

    As a decorator it does the same around a function, a coroutine function or a method whose first argument is the
    message; the function keeps its name and its signature.

        @process
        def handle(message): ...

        @process(correlation="link")
        async def handle(message): ...

    Args:
        message: a message of any client; or the function to decorate.
        consumer: the client's consumer; what it tells without asking the broker (group, client id, server address)
            goes on the span.
        correlation: `parent` or `link` (default: the policy in force).
        attributes: more attributes of the span, given to the sampler.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages (None included); in the call, when the first
            argument of a decorated function is none. What a message holds never raises.
        WrongArgument: a generator function, or one without arguments, to decorate.
        ValueError: a `correlation` that is neither.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = (
        "_attributes",
        "_consumer",
        "_correlation",
        "_timing",
        "_token",
        "is_settled",
        "kind",
        "message",
        "origin",
        "span",
    )

    span: Span
    """The span that is current in the block; set on entering."""
    origin: SpanContext | None
    """The creation context of the message, None when it carries none; set on entering."""
    message: object
    kind: MessageType[Any]
    _consumer: object
    _correlation: Correlation | None
    _attributes: Mapping[str, AttributeValue] | None
    _token: Any
    is_settled: bool
    """Whether the message was acknowledged, rejected or deleted inside the block."""

    @overload
    def __new__(cls, message: Callable[P, T], /) -> Callable[P, T]: ...  # type: ignore[misc, overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __new__(
        cls: type[Block],
        message: object,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Block: ...
    @overload
    def __new__(  # type: ignore[misc]  # a decorator is no block
        cls,
        *,
        consumer: object = None,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
    def __new__(  # type: ignore[misc]  # as above
        cls,
        message: object = _NO_MESSAGE,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> object:
        """Return the block of a message; of a function the decorated one."""
        kind = known_types.get(type(message))
        if kind is None:
            if message is _NO_MESSAGE or is_handler(message):
                made: Any = cls
                block = functools.partial(made, consumer=consumer, correlation=correlation, attributes=attributes)
                return block if message is _NO_MESSAGE else decorate(message, block)
            kind = type_of(message)
        self = object.__new__(cls)
        self.message = message
        self.kind = kind
        self._consumer = consumer
        self._correlation = correlation
        self._attributes = attributes
        self._token = None
        if correlation is not None:
            known_correlation(correlation)
        if attributes is not None:
            check_attributes("process", attributes)
        return self

    def __enter__(self) -> Span:
        if self._token is not None:
            raise OpenTwice(self)
        inside = self.opened(current())
        if inside is not None:
            self._token = attach(inside)
        return self.span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is None:
            if error is not None and held:
                self._failed_inside(error)
            return
        detach(self._token)
        self._token = None
        self.closed(error)

    def opened(self, ambient: Context) -> Context | None:
        """Start the span and return the context for the handler, None when the block changes nothing.

        For code that has no block to run the handler in, and calls `closed` later. Never raises.
        """
        self.span = INVALID_SPAN
        self.origin = None
        self.is_settled = False
        self._timing: Timing | None = None
        try:
            return self._open(ambient)
        except Exception as error:
            log_internal_error("process", error)
            return None

    def closed(self, error: BaseException | None) -> None:
        """End what `opened` has started, with the error of the handler if there was one. Never raises."""
        try:
            if self._timing is not None:
                self._timing.finish(error)
            span = self.span
            if span.is_recording():
                try:
                    if error is not None:
                        mark_failed(span, error)
                finally:
                    span.end()
                if self.kind.receipt is not None and not self.is_settled:
                    destination = self.kind.destination_of(self.message, self._consumer)
                    remember(self.kind.receipt(self.message), span.get_span_context(), destination)
        except Exception as failure:
            log_internal_error("process", failure)

    def _open(self, ambient: Context) -> Context | None:  # noqa: C901 - the comment below
        """Return the context for the inside of the block, None when the block changes nothing."""
        # This function and the next run once per message and are longer than they would be elsewhere: each call less is
        # 0.1 of the 3 µs that are ours (bench: micro).
        kind, message, rules = self.kind, self.message, active_policy()
        if ambient:
            outer: Any = ambient.get(SCOPE_KEY)
            if outer is not None and (outer.message is message or is_of(outer, kind, message)):
                self.origin, self.span = outer.origin, outer.span
                return None
            if is_suppressed(ambient):
                return None
        if held and (holding := held.pop(id(message), None)) is not None:
            return self._taken_over(*holding, ambient)
        if kind.error(message) is not None or (
            (rules.only or rules.ignore) and not rules.covers(kind.destination_of(message, self._consumer))
        ):
            return None
        pairs = kind.carrier.pairs(kind.headers(message))
        origin = None
        creation = context.fast_extract(pairs)
        # Of an uncommon carrier `origin_of` asks itself, when it knows whether there is a context in it.
        sidecar = None
        if creation is not None and kind.sidecar_context is not None:
            sidecar = kind.sidecar_context(message, creation is not NOTHING)
        if creation is None or sidecar is not None:
            origin = origin_of(kind, message, rules.duplicates, sidecar)
            creation = origin.span_context
            if origin.problems:
                count_malformed(kind.system, origin.problems)
        elif creation is NOTHING:
            creation = None
        self.origin = creation
        values: dict[str, object] = _around(ambient, origin) if ambient or origin is not None else {}
        if (found := instruments()) is not None:
            self._timing = self._timed(found, ambient)
        span = self._started(ambient, values, creation, origin, rules)
        if span is not None:
            values[SPAN_KEY] = self.span = span
        values[SCOPE_KEY] = self
        return Context(values)

    def _taken_over(self, holding: process, inside: Context, ambient: Context) -> Context:
        """Go on with what `holding` has opened for the message, and end it; whoever took it out of `held` does."""
        self.origin, self.span, self._timing = holding.origin, holding.span, holding._timing
        values = _around(ambient, None)
        values.update((key, inside[key]) for key in (SPAN_KEY, BAGGAGE_KEY) if key in inside)
        values[SCOPE_KEY] = self
        return Context(values)

    def _failed_inside(self, error: BaseException) -> None:
        """Tell the error to the scope that zero code keeps open around this block: nothing else would tell it."""
        holding, _ = held.get(id(self.message), (None, None))
        if holding is None:
            return
        timing, holding._timing = holding._timing, None  # noqa: SLF001 - another one of this class
        if timing is not None:
            timing.finish(error)
        mark_failed(holding.span, error)

    def _started(
        self,
        ambient: Context,
        around: dict[str, object],
        creation: SpanContext | None,
        origin: Origin | None,
        rules: Policy,
    ) -> Span | None:
        """Return the span of the message; where none is wanted or none can be had, what stands for its origin."""
        try:
            traced = tracing()
            if traced.tracer is not None and rules.spans:
                parent = creation if (self._correlation or rules.correlation) == "parent" else None
                if parent is not None and traced.dropped_remote[parent.trace_flags & 1]:
                    return NonRecordingSpan(traced.dropped_child(parent))
                links = [Link(creation)] if creation is not None else []
                if origin is not None:
                    links += map(Link, origin.others)
                if ambient and (seen := _ambient_span(ambient, links)) is not None:
                    links.append(Link(seen))
                attributes = self._described()
                if parent is not None:
                    span = NonRecordingSpan(parent)
                    around = {**around, SPAN_KEY: span} if around else {SPAN_KEY: span}
                name = semconv.span_name(attributes)
                return traced.tracer.start_span(name, Context(around), _CONSUMER, attributes, links)
            if traced.tracer is None:
                log_missing_sdk()
        except Exception as error:
            log_internal_error("the start of a span", error)
        return NonRecordingSpan(creation) if creation is not None else None

    def _described(self) -> Attributes:
        attributes: Attributes = {**self.kind.attributes_of(self.message)}
        if self._consumer is not None:
            attributes.update(self.kind.consumer(self._consumer))
        if self._attributes is not None:
            attributes.update(self._attributes)
        return attributes

    def _timed(self, found: Instruments, ambient: Context) -> Timing | None:
        try:
            attributes = labels(self._described())
            receiving: Any = ambient.get(RECEIVE_KEY)
            if not is_counted(self.kind, self.message) and (
                receiving is None or id(self.message) not in receiving.counted
            ):
                found.consumed.add(1, attributes)
            waited = seconds_since(self.kind.timestamp(self.message))
            if waited is not None:
                found.queue_duration.record(waited, attributes)
            return Timing(found.process_duration, attributes)
        except Exception as error:
            log_internal_error("a metric", error)
            return None


def is_counted(kind: MessageType, message: object) -> bool:
    """Return whether the metrics have counted a message as consumed when its client received it."""
    return id(message) in counted or (kind.is_counted is not None and kind.is_counted(message))


def is_of(scope: process, kind: MessageType, message: object) -> bool:
    """Return whether a scope is that of a message: of the same object, or of another view of the same delivery."""
    if scope.message is message:
        return True
    if kind.receipt is None or scope.kind.receipt is None:
        return False
    receipt = kind.receipt(message)
    return receipt is not None and receipt == scope.kind.receipt(scope.message)


def mark_failed(span: Span, error: BaseException | str) -> None:
    """Put status, `error.type` and the exception on a span, of a broker's error code the first two.

    Leaving a generator early is no error.
    """
    if isinstance(error, str):
        span.set_attribute(semconv.ERROR_TYPE, error)
        span.set_status(Status(StatusCode.ERROR, error))
        return
    if isinstance(error, GeneratorExit):
        return
    try:
        span.set_attribute(semconv.ERROR_TYPE, semconv.error_type(error))
        span.set_status(Status(StatusCode.ERROR, semconv.error_text(error, type(error).__name__)))
        span.record_exception(error)
    except Exception as failure:  # an exception whose text cannot be had
        log_internal_error("the record of an exception", failure)


def _around(ambient: Context, origin: Origin | None) -> dict[str, object]:
    """Return what of the ambient context stays around a message: all but the span; the baggage is the message's."""
    values: dict[str, object] = dict(ambient)
    values.pop(BAGGAGE_KEY, None)
    if origin is not None:
        values.update(origin.extra or {})
        if origin.baggage:
            values[BAGGAGE_KEY] = origin.baggage
    values.pop(SPAN_KEY, None)
    return values


def _ambient_span(ambient: Context, links: list[Link]) -> SpanContext | None:
    """Return the span context that is current around the block, unless it is linked already."""
    span: Any = ambient.get(SPAN_KEY)
    if span is None:
        return None
    seen: SpanContext = span.get_span_context()
    return seen if seen.is_valid and not any(is_same(seen, link.context) for link in links) else None
