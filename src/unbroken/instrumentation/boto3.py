"""The instrumentor of boto3 for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class Boto3Instrumentor(ClientInstrumentor):
    """Traces the clients of boto3 (SQS) without a change in the application."""

    dependencies = ("boto3 >= 1.34.106",)
    client = "unbroken.clients.boto3.zero_code"
    contrib = (
        ContribInstrumentor("boto3sqs", "Boto3SQSInstrumentor", ("boto3", "botocore")),
        ContribInstrumentor("botocore", "BotocoreInstrumentor", only="sqs"),
    )
