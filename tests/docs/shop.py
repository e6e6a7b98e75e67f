"""What the code on the pages stands on: a broker with orders in it, and the finished spans."""

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.embedded import Embedded

_running: list[Embedded] = []
exporter = InMemorySpanExporter()


def open_shop(*topics: str, records: int = 3) -> str:
    """Set the tracer provider, start a broker, fill the topics with records of a trace each, return its address."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    embedded = Embedded()
    embedded.__enter__()
    _running.append(embedded)
    fill(embedded.bootstrap, *topics, records=records)
    return embedded.bootstrap


def fill(bootstrap: str, *topics: str, records: int = 3) -> None:
    """Produce records to the topics, each in a trace of its own."""
    from confluent_kafka import Producer

    from unbroken import inject

    producer = Producer({"bootstrap.servers": bootstrap})
    for topic in topics:
        for number in range(records):
            with trace.get_tracer("shop").start_as_current_span("order"):
                producer.produce(topic, f"order {number}", key=str(number), headers=inject(), partition=0)
    producer.flush(30)


def finished(name: str) -> list[ReadableSpan]:
    """Return the finished spans of a name."""
    return [span for span in exporter.get_finished_spans() if span.name == name]


def trace_id(span: ReadableSpan) -> int:
    """Return the trace that a span is in."""
    assert span.context is not None
    number: int = span.context.trace_id
    return number
