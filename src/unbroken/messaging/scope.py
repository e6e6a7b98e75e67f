"""The scope of one message: from `open` to `close` its own CONSUMER span is current.

`process` is a scope as a `with` block. Frameworks and zero code have no block to put around a handler; they make the
same two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from unbroken.messaging import consumed, semconv
from unbroken.messaging.message import MessageType, complete_origin, known_types, origin_of, type_of
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

SCOPE_KEY = "unbroken-scope"
"""Where the context keeps the innermost scope."""

_CONSUMER = SpanKind.CONSUMER


class MessageScope:
    """One message being handled: `open` starts its span and makes it current, `close` ends both. Neither raises.

    The scope of a message inside the scope of the same message is one scope: the inner one changes nothing.

    Args:
        message: a message of any client.
        consumer: the client's consumer, whose group, client id and server go on the span.
        correlation: `parent` or `link` (default: the policy in force).
        attributes: more attributes of the span, given to the sampler.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages (None included).
        ValueError: a `correlation` that is neither.
    """

    __slots__ = (
        "_attributes",
        "_consumer",
        "_correlation",
        "_joined",
        "_timing",
        "_token",
        "around",
        "is_settled",
        "message",
        "message_type",
        "origin",
        "span",
    )

    find_polled: Callable[[MessageType, object], MessageScope | None] | None = None
    """Returns the scope of a message that zero code has polled, in whatever context; set by zero code."""

    _start_time: int | None = None
    """When the span starts, nanoseconds since the epoch, if that is past."""
    around: Context
    """The context in which the scope was opened."""
    span: Span
    """The span that is current in the scope; set by `open`."""
    origin: SpanContext | None
    """The creation context of the message, None when it carries none; set by `open`."""
    is_settled: bool
    """Whether the message was acknowledged, rejected or deleted inside the scope."""

    def __init__(
        self,
        message: object,
        consumer: object = None,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        self.message = message
        self.message_type: MessageType = known_types.get(type(message)) or type_of(message)
        self._consumer = consumer
        self._correlation = correlation
        self._attributes = attributes
        self._token: Any = None
        self._joined: MessageScope | None = None
        if correlation is not None:
            known_correlation(correlation)

    @property
    def outer(self) -> MessageScope | None:
        """The scope around this one."""
        found: MessageScope | None = self.around.get(SCOPE_KEY)  # type: ignore[assignment]
        return found

    @property
    def destination(self) -> str:
        """The topic or queue of the message, nothing where it is not known."""
        return self.message_type.destination_of(self.message, self._consumer)

    @property
    def receipt(self) -> Hashable:
        """By what the message is settled, None where it needs no settlement."""
        return None if self.message_type.receipt is None else self.message_type.receipt(self.message)

    @property
    def is_open(self) -> bool:
        """Whether `open` has made something current that `close` will end."""
        return self._token is not None

    def open(self) -> Span:
        """Start the span of the message, make its context current and return the span."""
        self.around = ambient = current()
        inside = self._start(ambient)
        if inside is not None:
            self._token = attach(inside)
        return self.span

    def close(self, error: BaseException | None = None) -> None:
        """Make the context around the scope current again and end the span, with the error of the handler if any."""
        is_owner = self._token is not None
        if is_owner:
            detach(self._token)
            self._token = None
        if self._joined is not None:
            joined, self._joined = self._joined, None
            joined.part(error)
        elif is_owner:
            self.end(error)

    def join(self) -> None:
        """Take note of an inner scope of the same message, which shares this span."""

    def part(self, error: BaseException | None) -> None:
        """Take note that an inner scope of the same message is closed; its error passes through this one, too."""

    def settle(self) -> None:
        """Take note that the message was acknowledged, rejected or deleted."""
        self.is_settled = True
        if self._joined is not None:
            self._joined.settle()

    def is_of(self, message_type: MessageType, message: object) -> bool:
        """Return whether this is the scope of a message: the same object, or another view of the same delivery."""
        if self.message is message:
            return True
        if message_type.receipt is None or self.message_type.receipt is None:
            return False
        receipt = message_type.receipt(message)
        return receipt is not None and receipt == self.receipt

    def _start(self, ambient: Context) -> Context | None:
        """Return the context of the scope, None where it changes nothing."""
        self.span = INVALID_SPAN
        self.origin = None
        self.is_settled = False
        self._timing: Timing | None = None
        try:
            return self._open(ambient)
        except Exception as error:
            log_internal_error("process", error)
            return None

    def end(self, error: BaseException | None, end_time: int | None = None, now: float | None = None) -> None:
        """End the span and the measurement; the context stays as it is. Never raises.

        Args:
            error: of the handler.
            end_time: nanoseconds since the epoch, if the end is past.
            now: the same moment by `time.perf_counter()`.
        """
        try:
            if self._timing is not None:
                self._timing.finish(error, now)
            span = self.span
            if span.is_recording():
                end_span(span, error, end_time)
                if self.message_type.receipt is not None and not self.is_settled and active_policy().settle:
                    remember(self.receipt, span.get_span_context(), self.destination)
        except Exception as failure:
            log_internal_error("process", failure)

    def _open(self, ambient: Context) -> Context | None:
        # This function runs once per message and is longer than it would be elsewhere: each call less is 0.1 of the
        # 3 µs that are ours (bench: micro).
        message_type, message, rules = self.message_type, self.message, active_policy()
        if ambient:
            if (innermost := ambient.get(SCOPE_KEY)) is not None and (
                same := find_scope(innermost, message_type, message)  # type: ignore[arg-type]
            ) is not None:
                return self._join(same, ambient)
            if is_suppressed(ambient):
                return None
        if message_type.error(message) is not None or (
            (rules.only or rules.ignore) and not rules.covers(message_type.destination_of(message, self._consumer))
        ):
            return None
        pairs = message_type.carrier.pairs(message_type.headers(message))
        origin: Origin | None = None
        creation = context.fast_extract(pairs)
        if creation is None or message_type.sidecar_context is not None:
            origin = complete_origin(message_type, message, pairs, creation, rules.duplicates)
            creation = origin.span_context
        elif creation is NOTHING:
            creation = None
        self.origin = creation
        values: dict[str, object] = put_around(ambient, origin) if ambient or origin is not None else {}
        if self.find_polled is not None and (same := self.find_polled(message_type, message)) is not None:
            span: Span | None = self._share(same)
        else:
            if origin is not None and origin.problems:
                count_malformed(str((self._attributes or {}).get(semconv.SYSTEM, message_type.system)), origin.problems)
            span = self._begin(ambient, values, creation, origin, rules)
        if span is not None:
            values[SPAN_KEY] = self.span = span
        values[SCOPE_KEY] = self
        return Context(values)

    def _join(self, same: MessageScope, ambient: Context) -> Context | None:
        """Go on in a scope of the same message that is open around this one."""
        self._share(same)
        if ambient.get(SCOPE_KEY) is same:
            return None
        # The scope of another message is between them.
        origin = origin_of(self.message_type, self.message)
        return Context({**put_around(ambient, origin), SPAN_KEY: same.span, SCOPE_KEY: same})

    def _share(self, same: MessageScope) -> Span:
        """Return the span of another scope of the same message, which is this one's too."""
        self._joined = same
        same.join()
        self.origin, self.span = same.origin, same.span
        return self.span

    def _begin(
        self,
        ambient: Context,
        around: dict[str, object],
        creation: SpanContext | None,
        origin: Origin | None,
        rules: Policy,
    ) -> Span | None:
        """Count and time the message and return its span; where there is none, what stands for its origin."""
        attributes: Attributes | None = None
        if (found := instruments()) is not None:
            attributes = self._describe()
            self._timing = self._measure(found, attributes)
        try:
            traced = tracing()
            if traced.tracer is None:
                log_missing_sdk()
            elif rules.spans:
                parent = creation if (self._correlation or rules.correlation) == "parent" else None
                if parent is not None and traced.dropped_remote[parent.trace_flags & 1]:
                    return NonRecordingSpan(traced.dropped_child(parent))
                links = [Link(creation)] if creation is not None else []
                if origin is not None:
                    links += map(Link, origin.others)
                if ambient and (seen := _ambient_span(ambient, links)) is not None:
                    links.append(Link(seen))
                if attributes is None:
                    attributes = self._describe()
                if parent is not None:
                    span = NonRecordingSpan(parent)
                    around = {**around, SPAN_KEY: span} if around else {SPAN_KEY: span}
                name = semconv.span_name(attributes)
                return traced.tracer.start_span(name, Context(around), _CONSUMER, attributes, links, self._start_time)
        except Exception as error:
            log_internal_error("the start of a span", error)
        return NonRecordingSpan(creation) if creation is not None else None

    def _describe(self) -> Attributes:
        """Return the attributes of the span; none where the message cannot tell them."""
        try:
            attributes: Attributes = dict(self.message_type.attributes_of(self.message))
            if self._consumer is not None:
                attributes.update(self.message_type.consumer(self._consumer))
        except Exception as error:
            log_internal_error("the attributes of a message", error)
            attributes = {}
        if self._attributes is not None:
            attributes.update(self._attributes)
        return semconv.exportable(attributes)

    def _measure(self, found: Instruments, attributes: Attributes) -> Timing | None:
        try:
            series = labels(attributes)
            if not consumed.is_counted(self.message_type, self.message):
                found.consumed.add(1, series)
            waited = seconds_since(self.message_type.timestamp(self.message))
            if waited is not None:
                found.queue_duration.record(waited, series)
            return Timing(found.process_duration, series)
        except Exception as error:
            log_internal_error("a metric", error)
            return None


def open_scopes(ambient: Context) -> Iterator[MessageScope]:
    """Return the scopes of a context, the innermost first."""
    scope: Any = ambient.get(SCOPE_KEY)
    while scope is not None:
        yield scope
        scope = scope.outer


def find_scope(innermost: MessageScope, message_type: MessageType, message: object) -> MessageScope | None:
    """Return the scope of a message: this one, or one around it."""
    scope: MessageScope | None = innermost
    while scope is not None:
        if scope.message is message or scope.is_of(message_type, message):
            return scope
        scope = scope.outer
    return None


def end_span(span: Span, error: BaseException | str | None, end_time: int | None = None) -> None:
    """End a span that records, marked with an error if there is one, whatever becomes of the mark."""
    try:
        if error is not None:
            mark_failed(span, error)
    finally:
        span.end(end_time)


def mark_failed(span: Span, error: BaseException | str) -> None:
    """Put status, `error.type` and the exception on a span, of a broker's error code the first two.

    Leaving a generator early is no error.
    """
    if isinstance(error, str):
        span.set_attribute(semconv.ERROR_TYPE, semconv.exportable_text(error))
        span.set_status(Status(StatusCode.ERROR, semconv.exportable_text(error)))
        return
    if isinstance(error, GeneratorExit):
        return
    try:
        span.set_attribute(semconv.ERROR_TYPE, semconv.error_type(error))
        text = semconv.error_text(error, type(error).__name__)
        span.set_status(Status(StatusCode.ERROR, semconv.exportable_text(text)))
        span.record_exception(error, semconv.exception_attributes(error, text))
    except Exception as failure:  # an exception whose text cannot be had
        log_internal_error("the record of an exception", failure)


def put_around(ambient: Context, origin: Origin | None) -> dict[str, object]:
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
    """Return the span context that is current around the scope, unless it is linked already."""
    span: Any = ambient.get(SPAN_KEY)
    if span is None:
        return None
    seen: SpanContext = span.get_span_context()
    return seen if seen.is_valid and not any(is_same(seen, link.context) for link in links) else None
