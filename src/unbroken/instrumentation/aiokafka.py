"""The instrumentor of aiokafka for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class AIOKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of aiokafka without a change in the application."""

    dependencies = ("aiokafka >= 0.10",)
    client = "unbroken.clients.aiokafka.zero_code"
    contrib = (ContribInstrumentor("aiokafka", "AIOKafkaInstrumentor", ("aiokafka",)),)
