"""`send`: one message on its way to the broker, one PRODUCER span, its context in the headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind

from unbroken.errors import OpenTwice, WrongArgument
from unbroken.messaging import semconv
from unbroken.messaging.message import Described, check_attributes
from unbroken.messaging.metrics import Instruments, Timing, add, count_left_out, failed, instruments, labels
from unbroken.messaging.policy import active_policy
from unbroken.messaging.scope import SCOPE_KEY, mark_failed
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error, tracing, warn_once
from unbroken.propagation import context
from unbroken.propagation.carriers import ATTRIBUTES, MAPPING, NO_NAMES, Carrier, Fields, carrier_of, check
from unbroken.propagation.context import (
    BAGGAGE_KEY,
    NOTHING,
    SPAN_KEY,
    Headers,
    Pair,
    attach,
    current,
    detach,
    is_same,
    is_suppressed,
)

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    H = TypeVar("H", default=Any)
else:  # a default is for type checkers: `Sending` alone is that of any headers
    from typing import TypeVar

    H = TypeVar("H")

SENDING_KEY = "unbroken-send"
"""Where the context of a send keeps it: the client beneath a framework sends the same message, without a span."""


class Sending(Generic[H]):
    """One message being sent: `headers` to give to the client, and its `span`, open until `end`."""

    __slots__ = ("_around", "_destination", "_labels", "_timing", "headers", "span")

    headers: H
    """A copy of the user's headers in the same shape, with the context."""
    span: Span
    """The span of the message."""

    def __init__(self, headers: H, around: Context | None, span: Span, destination: str = "") -> None:
        self.headers = headers
        self.span = span
        self._around = around
        self._destination = destination
        self._timing: Timing | None = None

    @property
    def context(self) -> Context | None:
        """The context in which the span is current; None when nothing is traced."""
        around = self._around
        if around is None or self.span is INVALID_SPAN:
            return around
        return Context({**around, SPAN_KEY: self.span, SENDING_KEY: self})

    def covers(self, destination: str, around: Context) -> bool:
        """Return whether what is sent there, in this context, is this very message: one span and one context for it."""
        return (
            destination == self._destination and around.get(SPAN_KEY) is self.span and self.span.is_recording()
        )  # not once it has ended: a delivery report may send to the same place again

    @property
    def is_observed(self) -> bool:
        """Whether anything waits for `end`; False for an unsampled message when there are no metrics."""
        return self._timing is not None or self.span.is_recording()

    def timed(self, found: Instruments, attributes: Attributes) -> None:
        """Start the clock."""
        self._labels: Attributes = labels(attributes)
        self._timing = Timing(found.operation_duration, self._labels)

    def leave_out(self, fields: Sequence[str], system: str, limit: str | None) -> None:
        """Say on the span and in a metric which fields the message had no room for, in the log each limit once."""
        self.span.set_attribute(semconv.LEFT_OUT, fields)
        count_left_out(system, fields)
        warn_once(f"a message has reached the limit of {limit}: it is sent without {', '.join(fields)}", key=limit)

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
            log_internal_error("send", failure)


class send(Generic[H]):  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which one message is sent by a plain client; its PRODUCER span is current inside.

        with send("orders") as sending:
            producer.produce("orders", value, headers=sending.headers)

    Args:
        destination: topic, queue or exchange.
        headers: the user's headers; `sending.headers` is a copy in the same shape with the context.
        system: `messaging.system`: `kafka`, `rabbitmq`, `aws_sqs`, or another whose wire the headers show.
        attributes: more attributes of the span, given to the sampler.

    Raises:
        WrongArgument: a `destination` that is no text.
        UnknownCarrier: headers in a shape that the wire does not have.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = ("_attributes", "_carrier", "_destination", "_headers", "_operation", "_sending", "_token")

    @overload
    def __init__(
        self: send[list[tuple[str, str | bytes | None]]],
        destination: str,
        headers: None = None,
        *,
        system: Literal["kafka"] = "kafka",
        attributes: Described | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: send[dict[str, str]],
        destination: str,
        headers: None = None,
        *,
        system: Literal["rabbitmq"],
        attributes: Described | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: send[dict[str, dict[str, str]]],
        destination: str,
        headers: None = None,
        *,
        system: Literal["aws_sqs"],
        attributes: Described | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: send[tuple[Pair, ...]],
        destination: str,
        headers: tuple[Pair, ...],
        *,
        system: str = "kafka",
        attributes: Described | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: send[Headers],
        destination: str,
        headers: Headers,
        *,
        system: str = "kafka",
        attributes: Described | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: send[list[tuple[str, str | bytes | None]]],
        destination: str,
        headers: None = None,
        *,
        system: str,
        attributes: Described | None = None,
    ) -> None: ...
    def __init__(
        self,
        destination: str,
        headers: object = None,
        *,
        system: str = "kafka",
        attributes: Described | None = None,
    ) -> None:
        for name, text in (("destination", destination), ("system", system)):
            if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise WrongArgument("send()", f"the {name} as text", text, 'write send("orders", headers)')
        self._operation, self._carrier = _SYSTEMS.get(system, ("send", None))
        if self._carrier is None:
            self._carrier = carrier_of(headers)
        else:
            check(self._carrier, headers)
        if attributes is not None:
            check_attributes("send", attributes)
        self._destination = destination
        self._headers = headers
        self._attributes = {semconv.SYSTEM: system, **(attributes or {})}
        self._token: Any = None

    def __enter__(self) -> Sending[H]:
        if self._token is not None:
            raise OpenTwice(self)
        self._sending = start_send(self._destination, self._headers, self._described, self._carrier)
        if (inside := self._sending.context) is not None:
            self._token = attach(inside)
        return self._sending

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
            self._token = None
        self._sending.end(error)

    def _described(self) -> Attributes:
        return {
            semconv.OPERATION_NAME: self._operation,
            semconv.OPERATION_TYPE: "send",
            semconv.DESTINATION: self._destination,
            **self._attributes,
        }


# How the brokers call it, and the wire where it is not read from the headers: those of Kafka come in several shapes.
_SYSTEMS: dict[str, tuple[str, Carrier | None]] = {"rabbitmq": ("publish", MAPPING), "aws_sqs": ("send", ATTRIBUTES)}


def start_send(
    destination: str, headers: Any, describe: Callable[[], Attributes], carrier: Carrier | None = None
) -> Sending:
    """Start to send one message: its span, not current, and its headers.

    Args:
        destination: topic, queue or exchange.
        headers: the user's headers in the client's shape; None when there are none. Never changed.
        describe: returns the attributes of the span; called only when somebody observes the message.
        carrier: the wire, where the shape of the headers does not tell it.

    Raises:
        UnknownCarrier: headers in a shape that no client takes.
    """
    ambient = current()
    if (ambient and is_suppressed(ambient)) or not active_policy().covers(destination):
        return Sending(headers, None, INVALID_SPAN)
    if carrier is None:
        carrier = carrier_of(headers)
    try:
        outer: Any = ambient.get(SENDING_KEY)
        if outer is not None and outer.covers(destination, ambient):
            return _covered(headers, carrier, ambient)
        return _start(destination, headers, carrier, ambient, describe)
    except Exception as error:
        log_internal_error("send", error)
    fields, names = context.fields_of(ambient)
    return Sending(carrier.replaced(headers, fields, names), None, INVALID_SPAN)


def _covered(headers: Any, carrier: Carrier, around: Context) -> Sending:
    """Return what is sent beneath the span of the same message, with its context; the headers may hold it already."""
    origin = context.extract_origin(carrier.pairs(headers), active_policy().duplicates)
    if origin.span_context is None:
        headers = carrier.replaced(headers, *context.fields_of(_with_baggage(around, origin)))
    return Sending(headers, None, INVALID_SPAN)


def _start(
    destination: str, headers: Any, carrier: Carrier, around: Context, describe: Callable[[], Attributes]
) -> Sending:
    pairs = carrier.pairs(headers)
    is_empty = not headers or context.fast_extract(pairs) is NOTHING  # the rule: no propagation field among them
    ambient: Any = around.get(SPAN_KEY)
    parent: SpanContext | None = ambient.get_span_context() if ambient is not None else None
    if parent is not None and not parent.is_valid:
        parent = None
    kept: SpanContext | None = None
    if not is_empty:
        origin = context.extract_origin(pairs, active_policy().duplicates)
        if origin.span_context is None:
            around = _with_baggage(around, origin)
        elif parent is None:
            parent = origin.span_context
            around = Context({**around, **context.context_of(origin)})
        elif _is_foreign(origin.span_context, parent, around):
            kept = origin.span_context
    span = _span(around, parent, kept, describe)
    sending = Sending(headers, around, INVALID_SPAN if span is None else span, destination)
    try:
        if kept is None:
            fields, names = context.fields_of(around, span)
            sending.headers = carrier.replaced(headers, fields, NO_NAMES if is_empty else names)
            if carrier.limit is not None:
                _say_what_was_left_out(sending, fields, describe, carrier)
        if (found := instruments()) is not None:
            sending.timed(found, semconv.exportable(describe()))
    except Exception as error:
        log_internal_error("send", error)
    return sending


def _with_baggage(around: Context, origin: context.Origin) -> Context:
    """Return the context with the baggage of headers that hold no span context, unless it has baggage of its own."""
    return Context({**around, BAGGAGE_KEY: around.get(BAGGAGE_KEY) or origin.baggage}) if origin.baggage else around


def _span(
    around: Context,
    parent: SpanContext | None,
    kept: SpanContext | None,
    describe: Callable[[], Attributes],
) -> Span | None:
    """Return the span of the message, None where none is wanted or none can be had."""
    try:
        traced = tracing()
        if traced.tracer is None or not active_policy().spans:
            return None
        if parent is not None and traced.drops(parent):
            return NonRecordingSpan(traced.dropped_child(parent))
        # The context on the wire is this span's own: PRODUCER. The user's own was kept: CLIENT, linked to it.
        kind = SpanKind.PRODUCER if kept is None else SpanKind.CLIENT
        links = [Link(kept)] if kept is not None else []
        attributes = semconv.exportable(describe())
        return traced.tracer.start_span(semconv.span_name(attributes), around, kind, attributes, links)
    except Exception as error:
        log_internal_error("the start of a span", error)
        return None


def _say_what_was_left_out(
    sending: Sending, fields: Fields, describe: Callable[[], Attributes], carrier: Carrier
) -> None:
    missing = [name for name, _ in fields if name not in sending.headers]
    if missing:
        sending.leave_out(missing, describe()[semconv.SYSTEM], carrier.limit_met)


def _tell(span: Span, error: BaseException | str | None, attributes: Attributes | None) -> None:
    if attributes:
        for name, value in semconv.exportable(attributes).items():  # for two of them 1 µs less than set_attributes
            span.set_attribute(name, value)
    if error is not None:
        mark_failed(span, error)


def _is_foreign(carried: SpanContext, parent: SpanContext, ambient: Context) -> bool:
    """Return whether the headers hold a creation context that the user put there on purpose.

    It is not when it is of the current trace, or the origin of the message being processed: headers passed on.
    """
    if carried.trace_id == parent.trace_id:
        return False
    scope: Any = ambient.get(SCOPE_KEY)
    return scope is None or scope.origin is None or not is_same(scope.origin, carried)
