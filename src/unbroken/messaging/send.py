"""`send`: one message on its way to the broker, one PRODUCER span, its context in the headers."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode

from unbroken.errors import OpenTwice
from unbroken.messaging import semconv
from unbroken.messaging.metrics import Timing, add, failed, instruments, labels
from unbroken.messaging.policy import InForce
from unbroken.messaging.process import SCOPE_KEY, mark_failed
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import survived, tracing
from unbroken.propagation import context
from unbroken.propagation.carriers import carrier_of
from unbroken.propagation.context import (
    SPAN_KEY,
    Origin,
    attach,
    current,
    detach,
    is_same,
    is_suppressed,
)


class Sending:
    """One message being sent: `headers` to give to the client, and its `span`, open until `end`."""

    __slots__ = ("_labels", "_timing", "context", "headers", "span")

    def __init__(self, headers: Any, inside: Context | None, span: Span) -> None:
        self.headers = headers
        self.context = inside
        """The context in which the span is current; None when nothing is traced."""
        self.span = span
        self._timing: Timing | None = None
        self._labels: Attributes = {}

    @property
    def is_observed(self) -> bool:
        """Whether anything waits for `end`; False for an unsampled message when there are no metrics."""
        return self._timing is not None or self.span.is_recording()

    def timed(self, attributes: Attributes) -> None:
        """Start the clock, if there is a meter that records."""
        if (found := instruments()) is not None:
            self._labels = labels(attributes)
            self._timing = Timing(found.operation_duration, self._labels)

    def end(self, error: BaseException | str | None = None, attributes: Attributes | None = None) -> None:
        """End the span, once; later calls do nothing.

        Args:
            error: an exception, or the broker's error code.
            attributes: what the broker told about the message (partition, offset).
        """
        try:
            span, timing = self.span, self._timing
            self._timing = None
            if timing is not None and (found := instruments()) is not None:
                timing.finish(error)
                add(found.sent, 1, failed(self._labels, error))
            if span.is_recording():
                try:
                    _tell(span, error, attributes)
                finally:
                    span.end()
        except Exception as failure:
            survived("send", failure)


class send:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which one message is sent by a plain client; its PRODUCER span is current inside.

        with send("orders") as sending:
            producer.produce("orders", value, headers=sending.headers)

    Args:
        destination: topic, queue or exchange.
        headers: the user's headers; `sending.headers` is a copy in the same shape with the context.
        system: `messaging.system`.
        attributes: more attributes of the span, given to the sampler.
    """

    __slots__ = ("_attributes", "_destination", "_headers", "_sending", "_token")

    def __init__(
        self, destination: str, headers: Any = None, *, system: str = "kafka", attributes: Attributes | None = None
    ) -> None:
        self._destination = destination
        self._headers = headers
        self._attributes = {semconv.SYSTEM: system, **(attributes or {})}
        self._token: Any = None

    def __enter__(self) -> Sending:
        if self._token is not None:
            raise OpenTwice(self)
        self._sending = begin(self._destination, self._headers, self._attributes)
        if self._sending.context is not None:
            self._token = attach(self._sending.context)
        return self._sending

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
            self._token = None
        self._sending.end(error)


def begin(destination: str, headers: Any, attributes: Attributes) -> Sending:
    """Start to send one message: its span, not current, and its headers.

    Args:
        destination: topic, queue or exchange.
        headers: the user's headers in the client's shape; None when there are none. Never changed.
        attributes: of the span; system at least.

    Raises:
        UnknownCarrier: headers in a shape that no client takes.
    """
    ambient = current()
    if (ambient and is_suppressed(ambient)) or (InForce.policy.selective and not InForce.policy.covers(destination)):
        return Sending(headers, None, INVALID_SPAN)
    carrier = carrier_of(headers)
    try:
        return _begun(destination, headers, attributes, ambient)
    except Exception as error:
        survived("send", error)
    fields, names = context.fields_of(ambient)
    return Sending(carrier.replaced(headers, fields, names), None, INVALID_SPAN)


def _begun(destination: str, headers: Any, attributes: Attributes, ambient: Context) -> Sending:
    around: Any = ambient.get(SPAN_KEY)
    parent: SpanContext | None = around.get_span_context() if around is not None else None
    if parent is not None and not parent.is_valid:
        parent = None
    values: dict[str, object] = dict(ambient)
    kept: SpanContext | None = None
    if headers and (origin := _carried(headers)).span_context is not None:
        if parent is None:
            parent = origin.span_context
            values.update(context.context_of(origin))
        elif _is_foreign(origin.span_context, parent, ambient):
            kept = origin.span_context
    attributes = {
        semconv.OPERATION_NAME: "send",
        semconv.OPERATION_TYPE: "send",
        semconv.DESTINATION: destination,
        **attributes,
    }
    span = _span(destination, attributes, values, parent, kept)
    if span is not None:
        values[SPAN_KEY] = span
    inside = Context(values)
    if kept is None:
        fields, names = context.fields_of(inside)
        headers = carrier_of(headers).replaced(headers, fields, names)
    sending = Sending(headers, inside, span or INVALID_SPAN)
    sending.timed(attributes)
    return sending


def _span(
    destination: str,
    attributes: Attributes,
    values: dict[str, object],
    parent: SpanContext | None,
    kept: SpanContext | None,
) -> Span | None:
    """Return the span of the message, None where none is wanted or none can be had."""
    try:
        traced = tracing()
        if traced.tracer is None or not InForce.policy.spans:
            return None
        if parent is not None and traced.drops(parent):
            return NonRecordingSpan(traced.dropped_child(parent))
        # The context on the wire is this span's own: PRODUCER. The user's own was kept: CLIENT, linked to it.
        kind = SpanKind.PRODUCER if kept is None else SpanKind.CLIENT
        links = [Link(kept)] if kept is not None else []
        return traced.tracer.start_span(f"send {destination}", Context(values), kind, attributes, links)
    except Exception as error:
        survived("the start of a span", error)
        return None


def _tell(span: Span, error: BaseException | str | None, attributes: Attributes | None) -> None:
    if attributes:
        span.set_attributes(attributes)
    if isinstance(error, str):
        span.set_attribute(semconv.ERROR_TYPE, error)
        span.set_status(Status(StatusCode.ERROR, error))
    elif error is not None:
        mark_failed(span, error)


def _carried(headers: Any) -> Origin:
    """Return what the user's headers already hold."""
    return context.origin(carrier_of(headers).pairs(headers), InForce.policy.duplicates)


def _is_foreign(carried: SpanContext, parent: SpanContext, ambient: Context) -> bool:
    """Return whether the headers hold a creation context that the user put there on purpose.

    It is not when it is of the current trace, or the origin of the message being processed: headers passed on.
    """
    if carried.trace_id == parent.trace_id:
        return False
    scope: Any = ambient.get(SCOPE_KEY)
    return scope is None or scope.origin is None or not is_same(scope.origin, carried)
