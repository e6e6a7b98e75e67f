"""The instrumentor of aiobotocore (SQS) for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class AiobotocoreInstrumentor(ClientInstrumentor):
    """Traces the clients of aiobotocore (SQS) without a change in the application."""

    dependencies = ("aiobotocore >= 2.13",)
    rivals = (Rival("botocore", "AiobotocoreInstrumentor", only="sqs"),)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import aiobotocore as client

        return client.PATCHES

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import aiobotocore as client

        return (client.POLLING,)
