"""boto3: `instrument` of a client or a resource."""

from unbroken.clients.sqs.dropins import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
