"""The instrumentor of aio-pika for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.aio_pika import PATCHES, POLLING, POLLS
from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class AioPikaInstrumentor(ClientInstrumentor):
    """Traces the clients of aio-pika without a change in the application."""

    dependencies = ("aio-pika >= 9.4",)
    rivals = (Rival("aio_pika", "AioPikaInstrumentor"),)
    pollings = (POLLING,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return (*PATCHES, *POLLS)
