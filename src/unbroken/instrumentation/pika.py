"""The instrumentor of pika for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class PikaInstrumentor(ClientInstrumentor):
    """Traces the clients of pika without a change in the application."""

    dependencies = ("pika >= 1.3",)
    rivals = (Rival("pika", "PikaInstrumentor"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import pika as client

        return (*client.PATCHES, *client.POLLS)

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import pika as client

        return (client.POLLING,)
