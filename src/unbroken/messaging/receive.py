"""`receive`: the messages of one poll, one CLIENT span linked to each of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, cast

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanContext, SpanKind

from unbroken import mistakes
from unbroken.errors import OpenTwice, WrongArgument
from unbroken.messaging import consumed, semconv
from unbroken.messaging.message import MessageType, is_message, origin_of, type_of
from unbroken.messaging.metrics import add, instruments, labels, seconds_since
from unbroken.messaging.policy import active_policy
from unbroken.messaging.scope import end_span
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error, tracing
from unbroken.propagation.context import SPAN_KEY, attach, current, detach, is_suppressed


class ByPartition(Protocol):
    """A mapping of lists of messages, whatever its keys are."""

    def values(self) -> Iterable[Iterable[object]]:
        """Return the lists."""
        ...


class receive:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which the messages of one poll are handled: one CLIENT span, linked to the creation context of each.

    The span is a child of the ambient one. `process` inside the block still puts each message into its own trace.

        messages = consumer.consume(500, timeout=1.0)
        with receive(messages):
            for message in messages:
                with process(message):
                    handle(message)

    No messages, no span. The span covers the block, which begins after the poll; with `start_time` it covers the poll
    too, whose duration is then recorded. The SDK keeps 128 links of a span unless OTEL_SPAN_LINK_COUNT_LIMIT says
    otherwise.

    Args:
        messages: messages of any client, or lists of them by partition, as the poll of some clients gives them; error
            events among them are passed over.
        consumer: the client's consumer, as for `process`.
        start_time: when the poll began, nanoseconds since the epoch (`time.time_ns()`).

    Raises:
        UnknownMessage: one of them is no message of a known client. What a message holds never raises.
        WrongArgument: one message, which `process` takes; the response or the event that holds the messages; an
            iterator, whose messages would be gone for the handler.
    """

    __slots__ = ("_consumer", "_counted", "_messages", "_start_time", "_token", "span")

    span: Span
    """The span of the block; set on entering."""

    def __init__(
        self,
        messages: Iterable[object] | ByPartition,
        consumer: object = None,
        *,
        start_time: int | None = None,
    ) -> None:
        self._messages = [
            (kind, message) for message in _listed(messages) if (kind := type_of(message)).error(message) is None
        ]
        if start_time is not None and type(start_time) is not int:
            instead = "write start_time=time.time_ns(), before the poll"
            raise WrongArgument("receive(start_time=...)", "nanoseconds since the epoch", start_time, instead)
        self._consumer = consumer
        self._start_time = start_time
        self._counted: list[Hashable] = []
        self._token: Any = None

    def __enter__(self) -> Span:
        if self._token is not None:
            raise OpenTwice(self)
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    def open(self) -> Span:
        """Start the span, make it current and return it: for code without a block, which calls `close` later."""
        self.span = INVALID_SPAN
        try:
            inside = self._open(current())
        except Exception as error:
            log_internal_error("receive", error)
            return self.span
        if inside is not None:
            self._token = attach(inside)
        return self.span

    def close(self, error: BaseException | None = None) -> None:
        """Make the context around the block current again and end the span. Never raises."""
        if self._token is None:
            return
        detach(self._token)
        self._token = None
        consumed.forget(self._counted)
        try:
            if self.span.is_recording():
                end_span(self.span, error)
        except Exception as failure:
            log_internal_error("receive", failure)

    def _open(self, ambient: Context) -> Context | None:
        rules = active_policy()
        messages = [
            (kind, message)
            for kind, message in self._messages
            if not (rules.only or rules.ignore) or rules.covers(kind.destination_of(message, self._consumer))
        ]
        if not messages or is_suppressed(ambient):
            return None
        attributes = self._attributes(messages)
        values: dict[str, object] = dict(ambient)
        if (found := instruments()) is not None:
            new = [(kind, message) for kind, message in messages if not consumed.is_counted(kind, message)]
            if new:
                add(found.consumed, len(new), labels(attributes))
                self._counted = [consumed.note(kind, message, is_kept=True) for kind, message in new]
            if self._start_time is not None:
                waited = seconds_since(self._start_time / 1e9)
                found.operation_duration.record(waited or 0.0, labels(attributes))
        try:
            traced = tracing()
            if traced.tracer is not None and rules.spans:
                name = semconv.span_name(attributes)
                links = [link for kind, message in messages for link in _links(kind, message)]
                self.span = traced.tracer.start_span(
                    name, Context(values), SpanKind.CLIENT, attributes, links, self._start_time
                )
                values[SPAN_KEY] = self.span
        except Exception as error:
            log_internal_error("the start of a span", error)
        return Context(values)

    def _attributes(self, messages: list[tuple[MessageType, object]]) -> Attributes:
        kind, _ = messages[0]
        attributes: Attributes = {
            semconv.SYSTEM: kind.system,
            semconv.OPERATION_NAME: kind.receiving,
            semconv.OPERATION_TYPE: "receive",
            semconv.MESSAGE_COUNT: len(messages),
        }
        destinations = {kind.destination(message) for kind, message in messages}
        if len(destinations) == 1 and all(destinations):
            attributes[semconv.DESTINATION] = destinations.pop()
            known = kind.attributes(messages[0][1])
            attributes.update({name: known[name] for name in (semconv.ANONYMOUS, semconv.TEMPLATE) if name in known})
        if self._consumer is not None:
            attributes.update(kind.consumer(self._consumer))
        return semconv.exportable(attributes)


def _listed(given: Any) -> Iterable[object]:
    """Return the messages of one poll."""
    if type(given) is list:  # nearly always
        return cast("list[object]", given)
    if mistakes.is_mapping(given) and mistakes.holds_lists(given):
        return [message for messages in given.values() for message in cast("list[object]", messages)]
    if _is_other(given) or is_message(given):  # a message may be a tuple
        raise WrongArgument("receive()", "the messages of one poll", given, mistakes.about_messages(given))
    return cast("Iterable[object]", given)


def _is_other(given: object) -> bool:
    return not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping, Iterator))


def _links(kind: MessageType, message: object) -> list[Link]:
    """Return the links to what created the message; what differs within a batch is on them."""
    origin = origin_of(kind, message)
    if origin.span_context is None:
        return []
    attributes = kind.attributes(message)
    differing = semconv.exportable(
        {name: attributes[name] for name in kind.per_message_attributes if name in attributes}
    )
    creators: tuple[SpanContext, ...] = (origin.span_context, *origin.others)
    return [Link(creator, differing) for creator in creators]
