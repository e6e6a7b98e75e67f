"""`instrument(tracer_provider=..., meter_provider=...)`: spans and metrics go there, until it is undone."""

import importlib
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.messaging.telemetry import message
from unbroken import process

INSTRUMENTORS = [
    ("aio_pika", "AioPikaInstrumentor"),
    ("aiobotocore", "AiobotocoreInstrumentor"),
    ("aiokafka", "AIOKafkaInstrumentor"),
    ("boto3", "Boto3Instrumentor"),
    ("confluent_kafka", "ConfluentKafkaInstrumentor"),
    ("kafka_python", "KafkaPythonInstrumentor"),
    ("pika", "PikaInstrumentor"),
]


class Provided:
    """A tracer provider and a meter provider, and what they got."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])

    @property
    def got(self) -> tuple[int, bool]:
        """How many spans, and whether there are metrics."""
        return len(self.exporter.get_finished_spans()), self.reader.get_metrics_data() is not None


@pytest.fixture(params=INSTRUMENTORS, ids=lambda one: one[0])
def instrumentor(request: pytest.FixtureRequest) -> Any:
    """Each instrumentor whose client is installed, not on."""
    pytest.importorskip("opentelemetry.instrumentation.instrumentor")
    module, name = request.param
    pytest.importorskip("kafka" if module == "kafka_python" else module)
    return getattr(importlib.import_module(f"unbroken.instrumentation.{module}"), name)()


def test_what_is_given_is_used_until_the_client_is_uninstrumented(
    instrumentor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere, given = Provided(), Provided()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", everywhere.tracer_provider)
    instrumentor.instrument(tracer_provider=given.tracer_provider, meter_provider=given.meter_provider)
    try:
        with process(message()):
            pass
        assert (given.got, everywhere.got) == ((1, True), (0, False))
    finally:
        instrumentor.uninstrument()
    with process(message()):
        pass
    assert (given.got, everywhere.got) == ((1, True), (1, False))


def test_without_providers_the_global_ones_are_used(instrumentor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = Provided()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", everywhere.tracer_provider)
    instrumentor.instrument()
    try:
        with process(message()):
            pass
        assert everywhere.got[0] == 1
    finally:
        instrumentor.uninstrument()
