"""`forward`: the headers with which a message is published again, to a retry topic or a dead-letter queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, overload

from opentelemetry.trace import SpanContext

from unbroken.errors import InvalidHeader, WrongArgument
from unbroken.messaging.message import MessageType, origin_of, type_of
from unbroken.messaging.scope import SCOPE_KEY, find_scope
from unbroken.messaging.semconv import error_text, error_type
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation import context, propagators, w3c
from unbroken.propagation.carriers import NO_NAMES, Fields, Names, Pairs, bounded, names_of
from unbroken.propagation.context import Pair, current

ORIGIN = "unbroken-origin"
SOURCE = "unbroken-source"
ATTEMPT = "unbroken-attempt"
ERROR = "unbroken-error"
MAX_ERROR_LENGTH = 1024
"""Bytes of `unbroken-error` at most."""

_OURS = (ORIGIN, SOURCE, ATTEMPT, ERROR)
_OUR_NAMES = names_of(*_OURS)
_INITIALS = frozenset("uU") | frozenset(b"uU")
_TRACE_NAMES = names_of("traceparent", "tracestate")
_BAGGAGE_NAMES = names_of("baggage")


K = TypeVar("K")
V = TypeVar("V")
Given_co = TypeVar("Given_co", covariant=True)
"""Headers as the type of a message says."""


class HeadersMethod(Protocol[Given_co]):
    """A message that returns its headers, as that of confluent-kafka."""

    def headers(self) -> Given_co | None:
        """Return the headers."""
        ...


class HeadersAttribute(Protocol[Given_co]):
    """A message that has its headers."""

    @property
    def headers(self) -> Given_co | None:
        """The headers."""
        ...


@overload
def forward(  # pyright: ignore[reportOverlappingOverload]  # of SQS and Lambda
    message: Mapping[str, object], *, error: BaseException | None = None
) -> dict[str, dict[str, object]]: ...
@overload
def forward(  # type: ignore[overload-overlap]
    message: HeadersMethod[dict[K, V]], *, error: BaseException | None = None
) -> dict[K, V]: ...
@overload
def forward(  # type: ignore[overload-overlap]
    message: HeadersMethod[list[Pair] | Mapping[str, object]], *, error: BaseException | None = None
) -> list[Pair]: ...
@overload
def forward(  # type: ignore[overload-overlap]
    message: HeadersAttribute[Given_co], *, error: BaseException | None = None
) -> Given_co: ...
@overload
def forward(
    message: object, *, error: BaseException | None = None
) -> list[tuple[str, bytes | None]] | dict[str, object]: ...
def forward(message: object, *, error: BaseException | None = None) -> object:
    """Return the headers to publish a message again with, in the shape that its client takes.

    The user's headers as they were, then one `traceparent` of the current span (outside the message's `process` block:
    the message's own context), then where the message comes from:

    - `unbroken-origin`: `traceparent` of the first creation context,
    - `unbroken-source`: `destination/partition/offset` of this message,
    - `unbroken-attempt`: how often the message was forwarded, from 1,
    - `unbroken-error`: `package.Class: text` of `error`, at most 1024 bytes of UTF-8.

    Raises:
        UnknownMessage: not a message of a known client, such as its headers. What it holds never raises.
        WrongArgument: `error` is no exception.
    """
    kind = type_of(message)
    if error is not None and not isinstance(error, BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]
        instead = 'write `except Exception as error:` and error=error, or error=RuntimeError("text")'
        raise WrongArgument("forward(error=...)", "the exception", error, instead)
    headers = kind.headers(message)
    try:
        fields, names = _fields(kind, message, kind.carrier.pairs(headers), error)
        return kind.carrier.replaced(headers, fields, names)
    except Exception as failure:
        log_internal_error("forward", failure)
        return kind.carrier.replaced(headers, [], NO_NAMES)


def _fields(kind: MessageType, message: object, pairs: Pairs, error: BaseException | None) -> tuple[Fields, Names]:
    origin = origin_of(kind, message, pairs=pairs)
    around = current()
    innermost: Any = around.get(SCOPE_KEY)
    scope = None if innermost is None else find_scope(innermost, kind, message)
    if scope is not None and scope is innermost:
        fields, names = context.fields_of(around)
    else:  # outside of the message's own scope, or inside that of another message
        span = None if scope is None else scope.span
        fields, names = context.fields_of(context.context_of(origin), span)
    seen = _named(pairs)
    if first := _first_origin(seen.get(ORIGIN), origin.span_context):
        fields.append((ORIGIN, first))
    fields.append((SOURCE, kind.source_of(message).encode()))
    fields.append((ATTEMPT, b"%d" % (_count(seen.get(ATTEMPT)) + 1)))
    if error is not None:
        fields.append((ERROR, _described(error)))
    return fields, names | _OUR_NAMES | _stale()


def _stale() -> Names:
    """Return the W3C fields of the message that must not go on; what no propagator in use writes is left as it was."""
    used = propagators.in_use()
    names = _TRACE_NAMES if used.trace or used.foreign is not None else NO_NAMES
    return names | _BAGGAGE_NAMES if used.baggage or used.foreign is not None else names


def _named(pairs: Pairs) -> dict[str, object]:
    """Return our own named headers: of several the last, of several origins the first, which is the oldest."""
    found: dict[str, object] = {}
    pair: Any
    for pair in bounded(pairs):
        try:
            name, value = pair
            if not name or name[0] not in _INITIALS:
                continue
            name = (name if isinstance(name, str) else name.decode("latin-1")).lower()
            if name in _OURS and not (name == ORIGIN and ORIGIN in found):
                found[name] = value
        except (TypeError, ValueError, AttributeError, LookupError):  # no name of ours
            continue
    return found


def _first_origin(known: object, creation: SpanContext | None) -> bytes | None:
    try:
        parent = w3c.parse_traceparent(known)
    except InvalidHeader:
        if creation is None:
            return None
        parent = w3c.TraceParent(creation.trace_id, creation.span_id, creation.trace_flags)
    return w3c.format_traceparent(*parent).encode("ascii")


def _count(value: object) -> int:
    """Return the attempts so far; what is no count of at most nine digits is none."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _described(error: BaseException) -> bytes:
    text = error_text(error, error_type(error))
    return text.encode("utf-8", "replace")[:MAX_ERROR_LENGTH].decode("utf-8", "ignore").encode()
