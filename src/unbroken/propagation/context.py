"""The context on the wire and in the process: `inject`, `extract`, `attached`.

The only module that knows how OpenTelemetry keeps a context. With the W3C propagators of OpenTelemetry (the default)
the grammar is ours; any other global propagator is used as it is, through our carriers.
"""

from __future__ import annotations

import functools
from binascii import unhexlify
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast, overload

from opentelemetry import baggage as otel_baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from unbroken import mistakes
from unbroken.errors import InvalidHeader, OpenTwice, WrongArgument
from unbroken.propagation import propagators, w3c
from unbroken.propagation.carriers import (
    NO_NAMES,
    Fields,
    Names,
    Pairs,
    Wire,
    bounded,
    carrier_for,
    carrier_of,
    check,
    names_of,
)
from unbroken.propagation.problems import Problem

# The keys under which OpenTelemetry keeps span and baggage are private; what its public functions make shows them.
SPAN_KEY: str = next(iter(set_span_in_context(INVALID_SPAN, Context())))
BAGGAGE_KEY: str = next(iter(otel_baggage.set_baggage("name", "value", Context())))

_SUPPRESS_KEY: str = getattr(otel_context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")

_FLAGS = {b"%02x" % flags: TraceFlags(flags & (w3c.SAMPLED | w3c.RANDOM)) for flags in range(256)}
NO_STATE = INVALID_SPAN_CONTEXT.trace_state
"""The empty state that OpenTelemetry itself puts into a SpanContext: known by identity, without asking its length."""
NOTHING = INVALID_SPAN_CONTEXT
_ABSENT = object()

# The common value: version 00 in its exact form. Translating each digit to 0 and comparing takes 0.1 µs less than a
# regular expression; what differs goes to w3c.parse_traceparent.
from_bytes = int.from_bytes
_DIGITS_TO_ZERO = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_TRACEPARENT_FORM = b"00-%032d-%016d-00" % (0, 0)
_INITIALS = w3c.INITIALS
_MAX_COMMON = 256
"""Headers that the fast path looks at. Of more, the full reader would look at most of them once more."""

_READ_NAMES = names_of(*w3c.FIELDS)
_BAGGAGE_NAMES = names_of("baggage")
_NAMES = names_of("traceparent", "tracestate", "baggage")


# A SpanContext is a tuple whose last item says whether its ids are valid: made as one it takes 0.15 µs less. The layout
# is not promised by OpenTelemetry; where it differs, its own constructor is used.
_ITEMS = (1, 2, True, TraceFlags(1), NO_STATE, True)


def _has_these_items() -> bool:
    try:
        return tuple(SpanContext(*_ITEMS[:5])) == _ITEMS
    except TypeError:
        return False


IS_TUPLE = _has_these_items()
"""Whether a SpanContext is the tuple (trace id, span id, is remote, flags, state, is valid)."""
_new_tuple: Any = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
new_span_context: Callable[[tuple[int, int, bool, TraceFlags, TraceState, bool]], SpanContext] = (
    functools.partial(_new_tuple, SpanContext) if IS_TUPLE else lambda items: SpanContext(*items[:5])
)
"""Return a SpanContext from its valid items: trace id, span id, is remote, flags, state, True."""

# OpenTelemetry keeps its context in one ContextVar; the token of an attach shows which. Used directly, a block costs
# 0.2 µs less (bench: micro) and leaving it in a copy of the context is not logged as an error. A subclass may do more
# than that on each attach (tell a profiler): it is asked.
_probe: Any = otel_context.attach(otel_context.get_current())
otel_context.detach(_probe)
if isinstance(_probe, Token) and type(getattr(otel_context, "_RUNTIME_CONTEXT", None)) is ContextVarsRuntimeContext:
    _variable: ContextVar[Context] = cast("Token[Context]", _probe).var
    current: Callable[[], Context] = _variable.get
    """Return the current context."""
    attach: Callable[[Context], Token[Context]] = _variable.set
    """Make a context the current one and return the token that `detach` takes."""
    _reset = _variable.reset
else:  # a runtime context of another kind (OTEL_PYTHON_CONTEXT)
    current, attach, _reset = otel_context.get_current, otel_context.attach, otel_context.detach


def detach(token: Token[Context]) -> None:
    """Make the context that was current before `token` current again.

    Nothing in a copy of the context (an async generator finished by the event loop, a block left in another
    thread): there the token means nothing, and the copy ends with its task.
    """
    try:
        _reset(token)
    except (ValueError, RuntimeError):  # made in another context; used before
        pass


class Origin(NamedTuple):
    """What the headers of a message say about where it comes from."""

    span_context: SpanContext | None
    baggage: Mapping[str, object] | None
    others: tuple[SpanContext, ...] = ()
    problems: tuple[Problem, ...] = ()
    extra: Context | None = None
    """What a propagator other than W3C put into its context."""


def extract(headers: object, *, duplicates: w3c.Duplicates = "last") -> Context:
    """Return the context that `headers` carry: the creation context and the baggage, nothing of the ambient context.

    Args:
        headers: a list or tuple of pairs, a mapping, or None; names match whatever their case.
        duplicates: what several different `traceparent` values mean.

    Raises:
        UnknownCarrier: `headers` has another shape. What it holds never raises.
        ValueError: `duplicates` is none of the policies.
    """
    if duplicates != "last":
        w3c.known_duplicates(duplicates)
    pairs = carrier_of(headers).pairs(headers)
    if (creation := fast_extract(pairs)) is not None:
        return context_of_creation(creation)
    return context_of(full_extract(pairs, duplicates))


def context_of_creation(creation: SpanContext) -> Context:
    """Return the context that a creation context, or `NOTHING`, stands for."""
    return Context({SPAN_KEY: NonRecordingSpan(creation)}) if creation is not NOTHING else Context()


def extract_origin(pairs: Pairs, duplicates: w3c.Duplicates = "last") -> Origin:
    """Return what the pairs carry, by the shortest way; never raises, whatever they are."""
    creation = fast_extract(pairs)
    if creation is None:
        return full_extract(pairs, duplicates)
    return Origin(None if creation is NOTHING else creation, None)


def context_of(carried: Origin) -> Context:
    """Return the context that an origin stands for."""
    values: dict[str, object] = dict(carried.extra) if carried.extra else {}
    if carried.span_context is not None:
        values[SPAN_KEY] = NonRecordingSpan(carried.span_context)
    if carried.baggage:
        values[BAGGAGE_KEY] = carried.baggage
    return Context(values)


if TYPE_CHECKING:
    from typing_extensions import TypeVar as _TypeVarWithDefault

    # A list is invariant: what inject() returns goes where a client takes `list[tuple[str, str | bytes | None]]`, too.
    Value = _TypeVarWithDefault("Value", default=bytes)
Pair = TypeVar("Pair", bound="tuple[object, object]")
Headers = TypeVar("Headers", bound="Sequence[tuple[object, object]] | Mapping[str, object] | Mapping[bytes, object]")
"""Headers as a client's own types say: they come back as they were given."""


@overload
def inject(
    headers: None = None, *, context: Context | None = None, wire: Literal["kafka"] | None = None
) -> list[tuple[str, Value]]: ...
@overload
def inject(headers: None = None, *, context: Context | None = None, wire: Literal["amqp"]) -> dict[str, str]: ...
@overload
def inject(
    headers: None = None, *, context: Context | None = None, wire: Literal["sqs"]
) -> dict[str, dict[str, str]]: ...
@overload
def inject(
    headers: tuple[Pair, ...], *, context: Context | None = None, wire: Wire | None = None
) -> tuple[Pair, ...]: ...
@overload
def inject(headers: Headers, *, context: Context | None = None, wire: Wire | None = None) -> Headers: ...
def inject(headers: object = None, *, context: Context | None = None, wire: Wire | None = None) -> object:
    """Return a copy of `headers`, in the same shape, that carries the context (default: the current one).

    Each propagation field is replaced wherever it stands and in whatever case; the user's headers keep their order.
    A context without span and baggage leaves them all as they are.

    Args:
        headers: a list or tuple of pairs (values become bytes), a mapping (values become text), the attributes of an
            SQS message, or None for a new list.
        context: what to carry.
        wire: `kafka`, `amqp` or `sqs`, where the headers do not show it: None, or an empty mapping for SQS.

    Raises:
        UnknownCarrier: `headers` has another shape, or is a message.
        WrongArgument: `context` is not a context of OpenTelemetry.
        ValueError: `wire` is none of the three.
    """
    if context is None:
        context = current()
    elif not isinstance(context, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise WrongArgument(
            "inject(context=...)", "a Context", context, mistakes.about_context(context, "inject(context={})")
        )
    fields, names = fields_of(context)
    if wire is not None:
        check(carrier := carrier_for(wire), headers)
        return carrier.replaced(headers, fields, names)
    if headers is None:
        return fields
    return carrier_of(headers).replaced(headers, fields, names)


def fields_of(context: Context, span: Any = None) -> tuple[Fields, Names]:
    """Return the propagation fields that carry the context, and the names (lower case) that they replace.

    Args:
        context: what to carry.
        span: carried instead of the span of the context.
    """
    if get_global_textmap() is not _w3c_textmap and not _refreshed():
        used = propagators.in_use()
        if span is not None:
            context = Context({**context, SPAN_KEY: span})
        if used.foreign is not None:
            return propagators.inject(used.foreign, context)
        kept = {SPAN_KEY: used.trace, BAGGAGE_KEY: used.baggage}
        context = Context({key: value for key, value in context.items() if kept.get(key)})
        span = None  # in that context, where it is carried
    fields: Fields = []
    names: Names = NO_NAMES
    if span is None:
        span = context.get(SPAN_KEY)
    if span is not None:
        span_context: Any = span.get_span_context()
        trace_id, span_id, _, flags, state, valid = span_context if IS_TUPLE else _items(span_context)
        if valid:
            names = _NAMES
            fields.append(("traceparent", b"00-%032x-%016x-%02x" % (trace_id, span_id, flags & 3)))
            if state is not NO_STATE and state:
                fields.append(("tracestate", _state_header(state)))
    members: Any = context.get(BAGGAGE_KEY)
    if members and (header := w3c.format_baggage(members)):
        fields.append(("baggage", header.encode("ascii")))
        names |= _BAGGAGE_NAMES
    return fields, names


def fast_extract(pairs: Pairs) -> SpanContext | None:  # noqa: C901 - every call less is felt: see ARCHITECTURE, Two paths
    """Return the creation context of the common header set, `NOTHING` where there is none, None for any other set.

    Common: W3C propagators, at most 256 headers, one `traceparent` in lower case, well-formed and of version 00, at
    most one `tracestate` with nothing odd in it, no other propagation field.
    """
    if get_global_textmap() is not _w3c_textmap and not _refreshed():
        return None
    traceparent: Any = _ABSENT
    tracestate: Any = _ABSENT
    name: Any
    try:
        if len(pairs) > _MAX_COMMON:  # type: ignore[arg-type]  # of an iterator the full reader takes its share
            return None
        for name, value in pairs:
            if name[0] in _INITIALS:
                if name == "traceparent" and traceparent is _ABSENT:
                    traceparent = value
                elif name == "tracestate" and tracestate is _ABSENT:
                    tracestate = value
                elif name.lower() in _READ_NAMES:
                    return None
        if traceparent is _ABSENT:
            return NOTHING if tracestate is _ABSENT else None
        if type(traceparent) is str:  # as AMQP and SQS hold it
            traceparent = traceparent.encode()
        if traceparent.translate(_DIGITS_TO_ZERO) != _TRACEPARENT_FORM or traceparent[:3] != b"00-":
            return None
        trace_id = from_bytes(unhexlify(traceparent[3:35]), "big")
        span_id = from_bytes(unhexlify(traceparent[36:52]), "big")
        if trace_id and span_id:
            state = NO_STATE if tracestate is _ABSENT else _common_state(tracestate)
            return new_span_context((trace_id, span_id, True, _FLAGS[traceparent[53:]], state, True))
    except (TypeError, ValueError, AttributeError, LookupError):
        pass  # not a pair, not text: the full reader says what it is
    return None


def full_extract(pairs: Pairs, duplicates: w3c.Duplicates = "last") -> Origin:
    """Return what the pairs carry, by the full reader; never raises, whatever they are."""
    used = propagators.in_use()
    if used.foreign is not None:
        return _foreign(used.foreign, pairs, duplicates)
    carried = w3c.read(bounded(pairs), duplicates)
    parent = None
    others: tuple[SpanContext, ...] = ()
    if used.trace:
        state = _LevelTwoState(dict(carried.tracestate)) if carried.tracestate else NO_STATE
        parent = _span_context(carried.parent, state) if carried.parent else None
        others = tuple(_span_context(other, NO_STATE) for other in carried.others)
    return Origin(parent, carried.baggage if used.baggage else None, others, carried.problems)


def is_suppressed(context: Context) -> bool:
    """Return whether instrumentation is suppressed in the context (`suppress_instrumentation`)."""
    return bool(context.get("suppress_instrumentation") or context.get(_SUPPRESS_KEY))


def is_same(one: SpanContext, other: SpanContext) -> bool:
    """Return whether two span contexts are of the same span."""
    return one.span_id == other.span_id and one.trace_id == other.trace_id


class attached:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which `context` is the current one; after it the context is what it was before.

        with attached(extract(headers)):
            handle(value)

    Args:
        context: of OpenTelemetry, as `extract` returns it, or `opentelemetry.context.get_current()`.

    Raises:
        WrongArgument: a message, headers or a span instead of a context.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        if not isinstance(context, Context):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongArgument("attached()", "a Context", context, mistakes.about_context(context, "attached({})"))
        self._context = context
        self._token: Token[Context] | None = None

    def __enter__(self) -> Context:
        if self._token is not None:
            raise OpenTwice(self)
        self._token = attach(self._context)
        return self._context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            try:
                _reset(token)
            except (ValueError, RuntimeError):  # see detach
                pass


class _LevelTwoState(TraceState):
    """A `tracestate` that keeps what level 2 allows; OpenTelemetry's own check knows level 1 only."""

    def __init__(self, members: dict[str, str]) -> None:  # pyright: ignore[reportMissingSuperCall]
        self._dict = members


_w3c_textmap: TextMapPropagator | None = None
"""The global propagator, once it was found to be the W3C pair."""


def _refreshed() -> bool:
    """Return whether the global propagator is the W3C pair, and remember it."""
    global _w3c_textmap
    whole = propagators.in_use() == propagators.W3C
    if whole:
        _w3c_textmap = get_global_textmap()
    return whole


def _items(known: SpanContext) -> tuple[int, int, bool, TraceFlags, TraceState, bool]:
    return known.trace_id, known.span_id, known.is_remote, known.trace_flags, known.trace_state, known.is_valid


def _span_context(parent: w3c.TraceParent, state: TraceState) -> SpanContext:
    return SpanContext(parent.trace_id, parent.parent_id, True, TraceFlags(parent.flags), state)


def _common_state(value: bytes | str) -> TraceState:
    """Return the state of a well-formed `tracestate`.

    Raises:
        ValueError: the full reader has to look at it.
    """
    members = w3c.well_formed_tracestate(value.encode() if isinstance(value, str) else value)
    if members is None:
        raise ValueError
    return _LevelTwoState(members)


def _state_header(state: TraceState) -> bytes:
    members = [w3c.ListMember(key, value) for key, value in state.items()]
    return w3c.format_tracestate(members).encode("ascii", "replace")


def _foreign(propagator: TextMapPropagator, pairs: Pairs, duplicates: w3c.Duplicates) -> Origin:
    context = propagators.extract(propagator, pairs, duplicates)
    if isinstance(context, InvalidHeader):
        return Origin(None, None, problems=(Problem(context),))
    span: Any = context.get(SPAN_KEY)
    span_context: SpanContext | None = span.get_span_context() if span is not None else None
    if span_context is not None and not span_context.is_valid:
        span_context = None
    baggage: Any = context.get(BAGGAGE_KEY)
    return Origin(span_context, baggage, extra=context)
