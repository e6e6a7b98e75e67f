"""`settle`: messages acknowledged, rejected or deleted, one CLIENT span tied to the process spans."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, Span, SpanContext, SpanKind

from unbroken.errors import OpenTwice, WrongArgument
from unbroken.messaging import semconv
from unbroken.messaging.message import check_attributes
from unbroken.messaging.metrics import Timing, instruments, labels, seconds_since
from unbroken.messaging.policy import Policy, active_policy
from unbroken.messaging.receipts import recall
from unbroken.messaging.scope import MessageScope, end_span, open_scopes
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error, tracing
from unbroken.propagation.context import SPAN_KEY, attach, current, detach, is_suppressed


class settle:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which a client settles messages; its CLIENT span is a child of the process span.

    One message: in its block a child of the current span, after it of its process span. Several: child of the current
    span, linked to the process span of each. A message of which nothing is known and that is settled outside of any
    span gets none: a trace of one acknowledgement tells nothing.

        with settle("ack", [receipt], attributes):
            channel.basic_ack(delivery_tag)

    Args:
        operation: `messaging.operation.name`.
        receipts: what `MessageType.receipt` returned for the messages.
        attributes: of the span; at least system and, where known, destination.
        start_time: when the operation began, nanoseconds since the epoch, if that was before the block.
        is_final: False for what only touches the messages, which are settled later.

    Raises:
        WrongArgument: a message, or one receipt, instead of a list of receipts.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = ("_attributes", "_is_final", "_receipts", "_start_time", "_timing", "_token", "operation", "span")

    span: Span
    """The span of the block; set on entering."""

    def __init__(
        self,
        operation: str,
        receipts: Sequence[Hashable],
        attributes: Attributes,
        *,
        start_time: int | None = None,
        is_final: bool = True,
    ) -> None:
        if not isinstance(operation, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongArgument("settle()", "an operation", operation, 'write settle("ack", [receipt], attributes)')
        if isinstance(receipts, (str, bytes)) or not isinstance(receipts, (list, tuple, Sequence)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongArgument(
                "settle()", "a list of receipts", receipts, f"write settle({operation!r}, [receipt], ...)"
            )
        check_attributes("settle", attributes)
        self.operation = operation
        self._receipts = receipts
        self._attributes = attributes
        self._start_time = start_time
        self._is_final = is_final
        self._token: Any = None

    def __enter__(self) -> settle:
        if self._token is not None:
            raise OpenTwice(self)
        self.span = INVALID_SPAN
        self._timing: Timing | None = None
        try:
            inside = self._open(current())
        except Exception as error:
            log_internal_error("settle", error)
            return self
        if inside is not None:
            self._token = attach(inside)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
            self._token = None
        self.end(error)

    def end(self, error: BaseException | str | None = None) -> None:
        """End the span, once, with an exception or the error code of the broker; `__exit__` does it otherwise."""
        try:
            timing, self._timing = self._timing, None
            if timing is not None:
                timing.finish(error)
            if self.span.is_recording():
                end_span(self.span, error)
        except Exception as failure:
            log_internal_error("settle", failure)

    def _open(self, ambient: Context) -> Context | None:
        scopes = list(open_scopes(ambient))
        spans = [_process_span(receipt, scopes, self._is_final) for receipt in self._receipts]
        known = [found for found in spans if found is not None]
        rules = active_policy()
        if is_suppressed(ambient) or ((rules.only or rules.ignore) and not self._is_covered(rules, known)):
            return None
        attributes: Attributes = {
            **self._attributes,
            semconv.OPERATION_NAME: self.operation,
            semconv.OPERATION_TYPE: "settle",
        }
        if len(self._receipts) > 1:
            attributes[semconv.MESSAGE_COUNT] = len(self._receipts)
        attributes = semconv.exportable(attributes)
        if (measured := instruments()) is not None:
            before = seconds_since(None if self._start_time is None else self._start_time / 1e9)
            self._timing = Timing(measured.operation_duration, labels(attributes), before or 0.0)
        traced = tracing()
        if traced.tracer is None or not (rules.spans and rules.settle):
            return None
        around = ambient
        if len(known) == 1 and not (scopes and scopes[0].span.get_span_context() is known[0]):
            around = Context({**ambient, SPAN_KEY: NonRecordingSpan(known[0])})
        span: Any = around.get(SPAN_KEY)
        parent: SpanContext | None = span.get_span_context() if span is not None else None
        if parent is None or not parent.is_valid:
            if not known:
                return None
        elif traced.drops(parent):
            return None
        links = [Link(one) for one in known] if len(known) > 1 else []
        name = semconv.span_name(attributes)
        self.span = traced.tracer.start_span(name, around, SpanKind.CLIENT, attributes, links, self._start_time)
        return Context({**ambient, SPAN_KEY: self.span})

    def _is_covered(self, rules: Policy, known: list[SpanContext]) -> bool:
        """Return whether the messages are traced: by their destination, or because their process spans are known."""
        destination = self._attributes.get(semconv.DESTINATION)
        return rules.covers(destination) if destination else bool(known)


def _process_span(receipt: Hashable, scopes: Sequence[MessageScope], is_final: bool) -> SpanContext | None:
    """Return the process span of a message: of a scope that is open, or remembered from its own."""
    known = recall(receipt, keep=not is_final)
    for scope in scopes:
        if receipt is not None and scope.receipt == receipt:
            if is_final:
                scope.settle()
            span_context = scope.span.get_span_context()
            return span_context if span_context.is_valid else None
    return known
