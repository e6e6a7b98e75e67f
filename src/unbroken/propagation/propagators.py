"""The global propagator of OpenTelemetry: whether it is W3C, and how any other reads and writes our carriers."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unbroken.errors import InvalidHeader
from unbroken.propagation.carriers import NO_NAMES, Fields, Names, Pairs, names_of
from unbroken.propagation.w3c import Duplicates

TextPairs = list[tuple[str, str]]


class Propagators(NamedTuple):
    """What the global propagator amounts to: which of the W3C fields it carries, or a propagator of another kind."""

    trace: bool
    baggage: bool
    foreign: TextMapPropagator | None


W3C = Propagators(trace=True, baggage=True, foreign=None)
"""The default of OpenTelemetry."""

_seen: tuple[TextMapPropagator | None, Propagators] = (None, W3C)
"""The last global propagator, and what it amounts to."""


def in_use() -> Propagators:
    """Return what the global propagator amounts to."""
    global _seen
    textmap = get_global_textmap()
    if _seen[0] is not textmap:  # not a cache by its hash: a propagator may be a dataclass, which has none
        _seen = (textmap, _classified(textmap))
    return _seen[1]


def extract(propagator: TextMapPropagator, pairs: Pairs, duplicates: Duplicates) -> Context | InvalidHeader:
    """Return the context that a propagator finds in the pairs, or what was wrong when it raised."""
    texts = _texts(pairs)
    if duplicates == "last":
        texts.reverse()  # propagators take the first of several values
    try:
        return Context(propagator.extract(texts, Context(), _GETTER))
    except Exception as error:
        return InvalidHeader("foreign", texts, f"{type(propagator).__qualname__} raised {error!r}")


def inject(propagator: TextMapPropagator, context: Context) -> tuple[Fields, Names]:
    """Return the fields that a propagator writes, and the names that they replace; nothing when it raised."""
    written: dict[str, str] = {}
    try:
        propagator.inject(written, context, _COLLECTOR)
        fields = [(name, value.encode()) for name, value in written.items()]
        return fields, names_of(*written, *propagator.fields) if written else NO_NAMES
    except Exception:
        return [], NO_NAMES


class _Collector(Setter[dict[str, str]]):
    def set(self, carrier: dict[str, str], key: str, value: str) -> None:
        """Put a field into the carrier."""
        carrier[key] = value


class _PairsGetter(Getter[TextPairs]):
    def get(self, carrier: TextPairs, key: str) -> list[str] | None:
        """Return the values of a header, whatever the case of its name."""
        wanted = key.lower()
        return [value for name, value in carrier if name.lower() == wanted] or None

    def keys(self, carrier: TextPairs) -> list[str]:
        """Return the names of all headers."""
        return [name for name, _ in carrier]


_GETTER = _PairsGetter()
_COLLECTOR = _Collector()


def _classified(textmap: TextMapPropagator) -> Propagators:
    parts: list[Any] | None = [textmap]
    if type(textmap) is CompositePropagator:
        parts = getattr(textmap, "_propagators", None)
    kinds: set[type] = {type(part) for part in parts} if parts is not None else {type(textmap)}
    if kinds <= {TraceContextTextMapPropagator, W3CBaggagePropagator}:
        return Propagators(TraceContextTextMapPropagator in kinds, W3CBaggagePropagator in kinds, None)
    return Propagators(trace=False, baggage=False, foreign=textmap)


def _texts(pairs: Pairs) -> TextPairs:
    """Return the pairs of text; a value that is not UTF-8 is no value for a propagator."""
    texts: TextPairs = []
    for pair in pairs:
        try:
            name, value = pair
            if isinstance(value, (bytes, bytearray)):
                value = value.decode()
        except (TypeError, ValueError):
            continue
        if isinstance(name, str) and isinstance(value, str):
            texts.append((name, value))
    return texts
