"""The instrumentor of pika for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class PikaInstrumentor(ClientInstrumentor):
    """Traces the clients of pika without a change in the application."""

    dependencies = ("pika >= 1.3",)
    client = "unbroken.clients.pika.zero_code"
    contrib = (ContribInstrumentor("pika", "PikaInstrumentor", ("pika",)),)
