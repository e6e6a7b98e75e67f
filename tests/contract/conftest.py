"""Each client on each of its servers, an own topic for each test, and the spans that the test made."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from tests.conftest import SERVER_OF
from tests.contract.clients import CLIENTS, Client, ConfluentShare, KafkaClient

UNABLE = {(ConfluentShare, "embedded")}
"""The embedded broker knows no share groups."""
ON_SERVERS = [(kind, server) for kind in CLIENTS for server in kind.servers if (kind, server) not in UNABLE]


def ids(pairs: list[tuple[type[Client], str]]) -> list[str]:
    """The name of a client, and of its server where it has several."""
    return [f"{kind.name}-{server}" if len(kind.servers) > 1 else kind.name for kind, server in pairs]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its clients, of the kind that its argument declares."""
    for name in {"client", "real_client"}.intersection(metafunc.fixturenames):
        wanted = metafunc.function.__annotations__.get(name, Client)
        pairs = [
            (kind, server)
            for kind, server in ON_SERVERS
            if issubclass(kind, wanted) and (name == "client" or server == "real_kafka")
        ]
        metafunc.parametrize(name, pairs, ids=ids(pairs), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the clients whose server is not part of this run."""
    unwanted = config.getoption("--without").split(",")
    dropped = [item for item in items if SERVER_OF.get(server_of(item)) in unwanted]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def server_of(item: pytest.Item) -> str:
    """The fixture of the server that a test of the contract runs on, nothing for other tests."""
    params: dict[str, Any] = (
        item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    )
    found = [params[name][1] for name in ("client", "real_client") if isinstance(params.get(name), tuple)]
    return found[0] if found else ""


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


@pytest.fixture(scope="session")
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each client on each of its servers."""
    yield from _client(request)


@pytest.fixture(scope="session")
def real_client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each client of Kafka on a real one: for what the embedded one has not, or not truly."""
    yield from _client(request)


def _client(request: pytest.FixtureRequest) -> Iterator[Client]:
    kind, server = request.param
    if (missing := kind.missing()) is not None:
        pytest.skip(missing)
    address = request.getfixturevalue(server)
    client = kind(address, server == "embedded") if issubclass(kind, KafkaClient) else kind(address)
    yield client
    client.close()
