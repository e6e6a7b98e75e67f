"""Each client on each broker, an own topic for each test, and the spans that the test made."""

import uuid
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from tests.contract.clients import CLIENTS, Client, ConfluentShare


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a broker cannot be asked: the embedded one knows no share groups."""
    impossible = [item for item in items if _is_impossible(item)]
    if impossible:
        config.hook.pytest_deselected(items=impossible)
        items[:] = [item for item in items if item not in impossible]


def _is_impossible(item: pytest.Item) -> bool:
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return params.get("kafka") == "embedded" and params.get("client") is ConfluentShare


class Spans(SpanProcessor):
    """The spans of one test: those that have ended, and those that are open."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []
        self.open: dict[int, str] = {}

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self.open[span.get_span_context().span_id] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        del self.open[context_of(span).span_id]
        self.ended.append(span)

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        """The ended spans of a kind, in the order in which they ended."""
        return [span for span in self.ended if span.kind is kind]

    @property
    def sent(self) -> list[ReadableSpan]:
        """The producer spans."""
        return self.of(SpanKind.PRODUCER)

    @property
    def processed(self) -> list[ReadableSpan]:
        """The process spans."""
        return self.of(SpanKind.CONSUMER)

    def named(self, name: str) -> ReadableSpan:
        """The one ended span of this name."""
        (span,) = [span for span in self.ended if span.name == name]
        return span


def context_of(span: ReadableSpan) -> trace.SpanContext:
    """The identity of a span."""
    context = span.get_span_context()
    assert context is not None
    return context


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """The spans of this test; fails it when one is left open."""
    found = Spans()
    provider = TracerProvider()
    provider.add_span_processor(found)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield found
    assert found.open == {}, "the test left spans open"


@pytest.fixture
def topic() -> str:
    """A topic that no other test knows."""
    return f"contract-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session", params=CLIENTS, ids=[kind.name for kind in CLIENTS])
def client(request: pytest.FixtureRequest, kafka: str) -> Iterator[Client]:
    """Each client on each broker."""
    yield from _client(request.param, kafka, embedded=kafka == request.getfixturevalue("embedded"))


@pytest.fixture(scope="session", params=CLIENTS, ids=[kind.name for kind in CLIENTS])
def real_client(request: pytest.FixtureRequest, real_kafka: str) -> Iterator[Client]:
    """Each client on a real Kafka: for what the embedded one has not, or not truly."""
    yield from _client(request.param, real_kafka, embedded=False)


def _client(kind: type[Client], bootstrap: str, *, embedded: bool) -> Iterator[Client]:
    if (missing := kind.missing()) is not None:
        pytest.skip(missing)
    client = kind(bootstrap, embedded)
    yield client
    client.close()
