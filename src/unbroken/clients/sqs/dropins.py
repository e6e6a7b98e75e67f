"""`instrument` of the clients of botocore, the same for boto3 and aiobotocore."""

from __future__ import annotations

from typing import Any, TypeVar

from unbroken.clients.sqs.call_block import put_block, take_block
from unbroken.clients.sqs.calls import is_sqs, leave_client, trace_client

T = TypeVar("T")


def instrument(client: T) -> T:
    """Trace the calls of an SQS client, or of the client behind a resource, and return what was given; once is enough.

    Raises:
        TypeError: neither.
    """
    found = _client_of(client)
    if not is_sqs(found):
        raise TypeError(f"instrument() takes a client or a resource of SQS, not {type(client).__qualname__}")
    trace_client(found)
    put_block(found)
    return client


def uninstrument(client: T) -> T:
    """Leave the calls of an SQS client or resource alone again and return it; nothing where it is not instrumented."""
    found = _client_of(client)
    leave_client(found)
    take_block(found)
    return client


def _client_of(given: Any) -> Any:
    """Return the client behind a resource, a queue or a message; another object as it is."""
    return getattr(getattr(given, "meta", None), "client", given)
