"""The global propagator of OpenTelemetry: whether it is W3C, and how any other reads and writes our carriers."""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unbroken.errors import InvalidHeader
from unbroken.propagation.carriers import NO_NAMES, Fields, Names, Pairs, bounded, names_of
from unbroken.propagation.w3c import Duplicates

MAX_NAMED = 4096
"""Headers that a propagator is given; of more, the first half and the last."""
MAX_VALUES = 64
"""Values of one name that a propagator is given, and names that begin like baggage of theirs."""
MAX_TEXT = 32_768
"""Characters, or octets, of all values of a message that a propagator is given."""
_BAGGAGE_PREFIXES = ("uberctx-", "ot-baggage-")
"""What Jaeger and OpenTracing put before a name of baggage: they ask for all names, and each is one more baggage."""


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
    texts = _Texts(pairs, is_last_first=duplicates == "last")
    try:
        return Context(propagator.extract(texts, Context(), _GETTER))
    except Exception as error:
        return InvalidHeader("foreign", pairs, f"{type(propagator).__qualname__} raised {error!r}")


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


class _Texts:
    """The headers of a message as a propagator reads them: each name once, a bounded number of bounded texts.

    Args:
        pairs: of any carrier; what is no pair of a text and a value is no header.
        is_last_first: in which order the values of a name come; propagators take the first.
    """

    def __init__(self, pairs: Pairs, is_last_first: bool) -> None:
        self._step = -1 if is_last_first else 1
        self._room = MAX_TEXT
        self._read: dict[str, list[str]] = {}
        self._named: dict[str, list[Any]] = {}
        for pair in bounded(pairs, MAX_NAMED):
            try:
                name, _ = pair
            except (TypeError, ValueError):
                continue
            if isinstance(name, str):
                self._named.setdefault(name.lower(), []).append(pair)

    def values(self, name: str) -> list[str]:
        """Return the values of a header, whatever the case of its name."""
        key = name.lower()
        if key not in self._read:
            found = islice(self._named.get(key, ())[:: self._step], MAX_VALUES)
            self._read[key] = [text for _, value in found if (text := self._text(value)) is not None]
        return self._read[key]

    def names(self) -> list[str]:
        """Return the name of each header that has a text, once, as it was first written; of baggage the first 64."""
        names: list[str] = []
        baggage = 0
        for key, pairs in self._named.items():
            if key.startswith(_BAGGAGE_PREFIXES):
                baggage += 1
                if baggage > MAX_VALUES or not self.values(key):
                    continue
            elif all(_decoded(value) is None for _, value in pairs):
                continue
            names.append(pairs[0][0])
        return names

    def _text(self, value: object) -> str | None:
        """Return a value as text, None where there is no room for it any more."""
        text = _decoded(value)
        if text is None or len(text) > self._room:
            return None
        self._room -= len(text)
        return text


def _decoded(value: object) -> str | None:
    """Return a value as text; what is not UTF-8 is no value for a propagator."""
    if isinstance(value, str):
        return value
    try:
        return value.decode() if isinstance(value, (bytes, bytearray)) else None
    except ValueError:
        return None


class _TextsGetter(Getter[_Texts]):
    def get(self, carrier: _Texts, key: str) -> list[str] | None:
        """Return the values of a header, whatever the case of its name."""
        return carrier.values(key) or None

    def keys(self, carrier: _Texts) -> list[str]:
        """Return the names of the headers."""
        return carrier.names()


_GETTER = _TextsGetter()
_COLLECTOR = _Collector()


def _classified(textmap: TextMapPropagator) -> Propagators:
    parts: list[Any] | None = [textmap]
    if type(textmap) is CompositePropagator:
        parts = getattr(textmap, "_propagators", None)
    kinds: set[type] = {type(part) for part in parts} if parts is not None else {type(textmap)}
    if kinds <= {TraceContextTextMapPropagator, W3CBaggagePropagator}:
        return Propagators(TraceContextTextMapPropagator in kinds, W3CBaggagePropagator in kinds, None)
    return Propagators(trace=False, baggage=False, foreign=textmap)
