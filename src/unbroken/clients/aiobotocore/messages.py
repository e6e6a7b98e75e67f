"""aiobotocore: its messages are plain mappings, which are read as those of every client of SQS."""

from unbroken.clients.sqs.messages import MESSAGE, RECORD

__all__ = ["MESSAGE", "RECORD"]
