"""The instrumentor of kafka-python for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class KafkaPythonInstrumentor(ClientInstrumentor):
    """Traces the clients of kafka-python without a change in the application."""

    dependencies = ("kafka-python >= 2.0.3",)
    rivals = (Rival("kafka", "KafkaInstrumentor"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import kafka_python_zero_code as client

        return client.PATCHES

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import kafka_python_zero_code as client

        return (client.CONSUMERS.polling,)
