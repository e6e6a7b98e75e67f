"""The instrumentor of aiobotocore for `opentelemetry-instrument`."""

from __future__ import annotations

from unbroken.instrumentation.contrib import ContribInstrumentor
from unbroken.instrumentation.instrumentor import ClientInstrumentor


class AiobotocoreInstrumentor(ClientInstrumentor):
    """Traces the clients of aiobotocore (SQS) without a change in the application."""

    dependencies = ("aiobotocore >= 2.13",)
    client = "unbroken.clients.aiobotocore.zero_code"
    contrib = (ContribInstrumentor("botocore", "AiobotocoreInstrumentor", only="sqs"),)
