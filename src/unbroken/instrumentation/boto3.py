"""The instrumentor of boto3 (SQS) for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.boto3 import PATCHES, POLLING
from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival


class Boto3Instrumentor(ClientInstrumentor):
    """Traces the clients of boto3 (SQS) without a change in the application."""

    dependencies = ("boto3 >= 1.34.106",)
    rivals = (
        Rival("boto3sqs", "Boto3SQSInstrumentor"),
        Rival("botocore", "BotocoreInstrumentor", only="sqs"),
    )
    pollings = (POLLING,)

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        return PATCHES
