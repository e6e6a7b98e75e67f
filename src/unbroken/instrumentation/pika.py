"""The instrumentor of pika for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.clients.pika import PATCHES, POLLING, POLLS
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class PikaInstrumentor(ClientInstrumentor):
    """Traces the clients of pika without a change in the application."""

    dependencies = ("pika >= 1.3",)
    rivals = (Rival("pika", "PikaInstrumentor"),)
    pollings = (POLLING,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return (*PATCHES, *POLLS)
