"""The instrumentor of aiokafka for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.aiokafka_zero_code import CONSUMERS, PATCHES
from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class AIOKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of aiokafka without a change in the application."""

    dependencies = ("aiokafka >= 0.10",)
    rivals = (Rival("aiokafka", "AIOKafkaInstrumentor"),)
    pollings = (CONSUMERS.polling,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return PATCHES
