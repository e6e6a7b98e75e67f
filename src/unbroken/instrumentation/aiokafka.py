"""The instrumentor of aiokafka for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class AIOKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of aiokafka without a change in the application."""

    dependencies = ("aiokafka >= 0.10",)
    rivals = (Rival("aiokafka", "AIOKafkaInstrumentor"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import aiokafka_zero_code as client

        return client.PATCHES

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import aiokafka_zero_code as client

        return (client.CONSUMERS.polling,)
