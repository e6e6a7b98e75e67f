"""The instrumentor of confluent-kafka for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.confluent_kafka_zero_code import CONSUMERS, NATIVE, patches
from unbroken.clients.patches import Patch
from unbroken.instrumentation import early
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class ConfluentKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of confluent-kafka without a change in the application."""

    dependencies = ("confluent-kafka >= 2.6",)
    rivals = (Rival("confluent_kafka", "ConfluentKafkaInstrumentor"),)
    pollings = (CONSUMERS.polling,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return patches()

    def _warn(self) -> None:
        early.warn("confluent_kafka", NATIVE)
