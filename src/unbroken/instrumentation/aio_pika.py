"""The instrumentor of aio-pika for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class AioPikaInstrumentor(ClientInstrumentor):
    """Traces the clients of aio-pika without a change in the application."""

    dependencies = ("aio-pika >= 9.4",)
    rivals = (Rival("aio_pika", "AioPikaInstrumentor"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import aio_pika_calls as client

        return (*client.PATCHES, *client.POLLS)

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import aio_pika_calls as client

        return (client.POLLING,)
