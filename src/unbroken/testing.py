"""For tests of code that uses unbroken: an in-memory broker, and pytest fixtures, there once unbroken is installed.

- `no_leaked_context`: the test fails if it ends with another context, or with more open spans, than it began with.
  Open spans are those of the SDK's tracer provider that is global when the test begins.
- `spans`: the spans that the test made, by the OpenTelemetry SDK.
- `memory_broker`: a `MemoryBroker`.

    pytestmark = pytest.mark.usefixtures("no_leaked_context")

    def test_the_payment_is_in_the_trace_of_the_order(memory_broker, spans):
        memory_broker.produce("orders", b"1", headers=inject())
        with process(memory_broker.poll("orders")):
            pay()
        assert len({span.context.trace_id for span in spans.finished}) == 1
"""

from __future__ import annotations

import operator
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import attach, get_current

from unbroken.errors import required

with required("testing", "pytest"):
    import pytest

from unbroken.clients.kafka.records import record_type
from unbroken.messaging.message import register
from unbroken.propagation.carriers import PAIRS

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a `MemoryBroker`; the timestamp is in seconds since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: float


class MemoryBroker:
    """Topics of one partition in memory: what is produced can be polled, by each group on its own.

    >>> broker = MemoryBroker()
    >>> _ = broker.produce("orders", b"1", headers=[("trace", b"yes")])
    >>> broker.poll("orders").headers
    [('trace', b'yes')]
    >>> broker.poll("orders") is None
    True
    """

    def __init__(self) -> None:
        self._topics: dict[str, list[Record]] = {}
        self._positions: dict[tuple[str, str], int] = {}

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
    ) -> Record:
        """Append one record to a topic and return it."""
        records = self._topics.setdefault(topic, [])
        record = Record(topic, 0, len(records), key, value, list(headers or ()), time.time())
        records.append(record)
        return record

    def poll(self, topic: str, group: str = "test") -> Record | None:
        """Return the next record of a topic for a group, None when there is none."""
        records = self.consume(topic, 1, group)
        return records[0] if records else None

    def consume(self, topic: str, count: int, group: str = "test") -> list[Record]:
        """Return the next records of a topic for a group, at most `count`."""
        start = self._positions.get((topic, group), 0)
        records = self._topics.get(topic, [])[start : start + count]
        self._positions[topic, group] = start + len(records)
        return records

    def records(self, topic: str) -> tuple[Record, ...]:
        """Return all records of a topic."""
        return tuple(self._topics.get(topic, ()))


_RECORD = record_type(PAIRS)
register(Record, replace(_RECORD, timestamp=operator.attrgetter("timestamp")))


@dataclass(slots=True)
class Spans:
    """The spans of a test; a span processor of the SDK."""

    finished: list[ReadableSpan] = field(default_factory=list["ReadableSpan"])
    open: dict[int, str] = field(default_factory=dict[int, str])
    """Names of the spans that were started and not ended, by span id."""
    is_kept: bool = False
    """Whether a test looks at them: those of the others are not collected."""

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:  # noqa: ARG002 - the SDK names it
        """Note a started span."""
        self.open[_span_id(span)] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        """Note an ended span."""
        self.open.pop(_span_id(span), None)
        if self.is_kept:
            self.finished.append(span)

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the finished spans of a name."""
        return [span for span in self.finished if span.name == name]

    def _on_ending(self, span: ReadableSpan) -> None:
        """Nothing; the SDK calls it."""

    def shutdown(self) -> None:
        """Nothing; the SDK calls it."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK names it
        """Return True: nothing is kept back."""
        return True


_recorded = Spans()
_watched: WeakSet[object] = WeakSet()
"""The tracer providers whose spans are recorded."""


def _span_id(span: ReadableSpan) -> int:
    return span.context.span_id if span.context is not None else 0


def _watch() -> bool:
    """Record the spans of the global tracer provider from now on, and return whether it is the SDK's."""
    provider: Any = trace.get_tracer_provider()
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    if sdk is None or not isinstance(provider, sdk.TracerProvider):
        return False
    if provider not in _watched:
        provider.add_span_processor(_recorded)
        _watched.add(provider)
    return True


@pytest.fixture
def spans() -> Iterator[Spans]:
    """The spans that this test makes; a tracer provider of the SDK is set if there is none."""
    try:
        from opentelemetry.sdk.trace import TracerProvider
    except ModuleNotFoundError:
        pytest.fail('the fixture spans needs the OpenTelemetry SDK: pip install "unbroken[testing]"', pytrace=False)
    if not _watch():
        trace.set_tracer_provider(TracerProvider())
        _watch()
    _recorded.finished.clear()
    _recorded.open.clear()
    _recorded.is_kept = True
    yield _recorded
    _recorded.is_kept = False


@pytest.fixture
def memory_broker() -> MemoryBroker:
    """An empty in-memory broker."""
    return MemoryBroker()


@pytest.fixture
def no_leaked_context() -> Iterator[None]:
    """Fail a test that ends with another context, or with more open spans, than it began with.

    The test after it begins with the context that this one should have left.
    """
    _watch()
    before = get_current()
    open_before = set(_recorded.open)
    yield
    if (left_attached := get_current()) != before:
        attach(before)
        pytest.fail(f"the test left a context attached: {left_attached!r}, before it {before!r}", pytrace=False)
    if left := [name for span_id, name in _recorded.open.items() if span_id not in open_before]:
        pytest.fail(f"the test left spans open: {', '.join(left)}", pytrace=False)
