"""The instrumentor of boto3 (SQS) for `opentelemetry-instrument`."""

from __future__ import annotations

from collections.abc import Iterable

from unbroken.clients.patches import Patch
from unbroken.instrumentation.instrumentor import ClientInstrumentor
from unbroken.instrumentation.rivals import Rival
from unbroken.messaging.polled import PollSwitch


class Boto3Instrumentor(ClientInstrumentor):
    """Traces the clients of boto3 (SQS) without a change in the application."""

    dependencies = ("boto3 >= 1.34.106",)
    rivals = (
        Rival("boto3sqs", "Boto3SQSInstrumentor"),
        Rival("botocore", "BotocoreInstrumentor", only="sqs"),
    )

    def patches(self) -> Iterable[Patch]:
        """Return what is replaced."""
        from unbroken.clients import boto3 as client

        return client.PATCHES

    def pollings(self) -> Iterable[PollSwitch]:
        """Return the switches of the consumers."""
        from unbroken.clients import boto3 as client

        return (client.POLLING,)
