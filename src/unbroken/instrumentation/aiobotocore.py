"""The instrumentor of aiobotocore (SQS) for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.aiobotocore import PATCHES, POLLING
from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class AiobotocoreInstrumentor(ClientInstrumentor):
    """Traces the clients of aiobotocore (SQS) without a change in the application."""

    dependencies = ("aiobotocore >= 2.13",)
    rivals = (Rival("botocore", "AiobotocoreInstrumentor", only="sqs"),)
    pollings = (POLLING,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return PATCHES
