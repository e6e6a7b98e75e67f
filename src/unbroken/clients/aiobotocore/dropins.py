"""aiobotocore: `instrument` of a client."""

from unbroken.clients.sqs.dropins import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
