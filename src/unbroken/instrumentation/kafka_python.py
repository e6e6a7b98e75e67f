"""The instrumentor of kafka-python for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class KafkaPythonInstrumentor(ClientInstrumentor):
    """Traces the clients of kafka-python without a change in the application."""

    dependencies = ("kafka-python >= 2.0.3",)
    client = "unbroken.clients.kafka_python.zero_code"
    contrib = (ContribInstrumentor("kafka", "KafkaInstrumentor", ("kafka",)),)
