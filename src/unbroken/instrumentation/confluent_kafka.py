"""The instrumentor of confluent-kafka for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class ConfluentKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of confluent-kafka without a change in the application."""

    dependencies = ("confluent-kafka >= 2.6",)
    client = "unbroken.clients.confluent_kafka.zero_code"
    contrib = (ContribInstrumentor("confluent_kafka", "ConfluentKafkaInstrumentor", ("confluent_kafka",)),)
