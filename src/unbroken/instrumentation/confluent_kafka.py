"""The instrumentor of confluent-kafka for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation import early
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class ConfluentKafkaInstrumentor(ClientInstrumentor):
    """Traces the clients of confluent-kafka without a change in the application."""

    dependencies = ("confluent-kafka >= 2.6",)
    rivals = (Rival("confluent_kafka", "ConfluentKafkaInstrumentor"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import confluent_kafka_zero_code as client

        return client.patches()

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import confluent_kafka_zero_code as client

        return (client.CONSUMERS.polling,)

    def warn(self) -> None:
        """Say in the log who has imported a name before."""
        from unbroken.clients.confluent_kafka_zero_code import NATIVE

        early.warn("confluent_kafka", NATIVE)
