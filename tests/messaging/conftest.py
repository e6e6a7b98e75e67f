"""Providers of the SDK for one test each: the global ones are as before after it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics_internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.messaging.telemetry import Finished
from unbroken import Policy, configure
from unbroken.messaging import tracing
from unbroken.messaging.message import known_types, type_of
from unbroken.messaging.polled import PollSwitch

UseProvider = Callable[..., TracerProvider]


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another fixture there are no providers; failures of telemetry are logged anew."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", None)
    monkeypatch.setattr(tracing, "_logged", set())


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """The exporter behind every provider of the test."""
    return InMemorySpanExporter()


@pytest.fixture
def use_provider(monkeypatch: pytest.MonkeyPatch, exporter: InMemorySpanExporter) -> Iterator[UseProvider]:
    """A function that makes a tracer provider, global, with the options of its constructor."""
    made = []

    def use(**options: Any) -> TracerProvider:
        provider = TracerProvider(**options)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        made.append(provider)
        return provider

    yield use
    for provider in made:
        provider.shutdown()


@pytest.fixture
def finished(use_provider: UseProvider, exporter: InMemorySpanExporter) -> Finished:
    """A function that returns the spans that ended; a provider with the SDK's defaults is global."""
    use_provider()
    return exporter.get_finished_spans


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemoryMetricReader]:
    """What the metrics of the test are read with; a meter provider is global."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    monkeypatch.setattr(metrics_internal, "_METER_PROVIDER", provider)
    yield reader
    provider.shutdown()


@pytest.fixture
def use_policy() -> Iterator[Callable[..., None]]:
    """A function that puts a policy in force for the test."""
    before = configure(Policy())

    def use(**rules: Any) -> None:
        configure(Policy(**rules))

    yield use
    configure(before)


@pytest.fixture
def alter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that changes how messages of the type of a message are read."""

    def change(one: object, **functions: Callable[[Any], Any]) -> None:
        altered: Any = replace(type_of(one), **functions)  # type: ignore[arg-type]
        monkeypatch.setitem(known_types, type(one), altered)

    return change


@pytest.fixture
def polling() -> Iterator[PollSwitch]:
    """The switch of a client library that is instrumented."""
    polling = PollSwitch()
    polling.start()
    yield polling
    polling.stop()
