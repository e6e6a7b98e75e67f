"""The instrumentor of aio-pika for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class AioPikaInstrumentor(ClientInstrumentor):
    """Traces the clients of aio-pika without a change in the application."""

    dependencies = ("aio-pika >= 9.4",)
    client = "unbroken.clients.aio_pika.zero_code"
    contrib = (ContribInstrumentor("aio_pika", "AioPikaInstrumentor", ("aio_pika",)),)
