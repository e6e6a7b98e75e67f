"""boto3: SQS clients and resources whose calls are traced.

    from unbroken.clients.boto3 import instrument

    sqs = instrument(boto3.client("sqs"))
    queues = instrument(boto3.resource("sqs"))

Each call goes through the events of this one client (`client.meta.events`). A message carries the current context in
its attributes and makes one PRODUCER span, each entry of a batch its own. A poll asks for the attributes that hold a
context and, when it brought messages, makes one `receive` span; its messages know their queue: `process(message)`.
To delete a message, or to change its visibility, is a span below its process span.

Messages of a client that is not instrumented are read as well, and so are the records of a Lambda event. A record says
which queue it comes from, the message of such a client is told: `process(message, queue_url)`.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from unbroken.errors import required

with required("boto3", "boto3", "botocore"):
    from botocore.client import ClientCreator

from unbroken.clients import sqs_calls, sqs_zero_code
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.clients.sqs_guard import Guard, Guarded
from unbroken.messaging.polled import PollSwitch

__all__ = ["instrument", "uninstrument"]

T = TypeVar("T")

POLLING = PollSwitch()
"""The switch of the clients that `PATCHES` made: on in an application that zero-code instrumentation traces."""


class _Guarded(Guarded):
    def __call__(self, *args: Any, **named: Any) -> Any:
        with Guard():
            return self.make(*args, **named)


def instrument(client: T) -> T:
    """Trace the calls of an SQS client, or of the client behind a resource, and return what was given; once is enough.

    Raises:
        TypeError: neither.
    """
    sqs_calls.instrument(_client(client), _Guarded)
    return client


def uninstrument(client: T) -> T:
    """Leave the calls of an SQS client or resource alone again and return it; nothing where it is not instrumented."""
    sqs_calls.uninstrument(_client(client))
    return client


def _client(given: Any) -> Any:
    """Return the client behind a resource, a queue or a message; another object as it is."""
    return getattr(getattr(given, "meta", None), "client", given)


def _create_client(create: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(create)
    def create_client(*args: Any, **named: Any) -> Any:
        client = create(*args, **named)
        sqs_zero_code.trace(client, _Guarded, POLLING)
        return client

    return create_client


PATCHES = (Patch(ClientCreator, "create_client", _create_client),)
"""What zero-code instrumentation replaces: every client made from then on is instrumented."""

ZERO_CODE = ZeroCode(lambda: PATCHES, POLLING)
