"""boto3: its messages are plain mappings, or resources around them, which are read as those of every client of SQS."""

from unbroken.clients.sqs.messages import MESSAGE, RECORD, RESOURCE

__all__ = ["MESSAGE", "RECORD", "RESOURCE"]
