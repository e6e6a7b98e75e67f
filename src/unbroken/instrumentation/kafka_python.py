"""The instrumentor of kafka-python for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.kafka_python_zero_code import CONSUMERS, PATCHES
from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class KafkaPythonInstrumentor(ClientInstrumentor):
    """Traces the clients of kafka-python without a change in the application."""

    dependencies = ("kafka-python >= 2.0.3",)
    rivals = (Rival("kafka", "KafkaInstrumentor"),)
    pollings = (CONSUMERS.polling,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return PATCHES
