"""aiobotocore: SQS clients whose calls are traced.

    from unbroken.clients.aiobotocore import instrument

    async with get_session().create_client("sqs") as client:
        sqs = instrument(client)

What `unbroken.clients.boto3` says of its clients holds here: the events are the same.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from unbroken.errors import required

with required("aiobotocore", "aiobotocore", "botocore"):
    from aiobotocore.client import AioClientCreator

from unbroken.clients import sqs_calls, sqs_zero_code
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.clients.sqs_guard import Guard, Guarded
from unbroken.messaging.polled import PollSwitch

__all__ = ["instrument", "uninstrument"]

T = TypeVar("T")

POLLING = PollSwitch()
"""The switch of the clients that `PATCHES` made: on in an application that zero-code instrumentation traces."""


class _Guarded(Guarded):
    async def __call__(self, *args: Any, **named: Any) -> Any:
        with Guard():
            return await self.make(*args, **named)


def instrument(client: T) -> T:
    """Trace the calls of an SQS client and return it; once is enough.

    Raises:
        TypeError: not a client of SQS.
    """
    sqs_calls.instrument(client, _Guarded)
    return client


def uninstrument(client: T) -> T:
    """Leave the calls of an SQS client alone again and return it; nothing where it is not instrumented."""
    sqs_calls.uninstrument(client)
    return client


def _create_client(create: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(create)
    async def create_client(*args: Any, **named: Any) -> Any:
        client = await create(*args, **named)
        sqs_zero_code.trace(client, _Guarded, POLLING)
        return client

    return create_client


PATCHES = (Patch(AioClientCreator, "create_client", _create_client),)
"""What zero-code instrumentation replaces: every client made from then on is instrumented."""

ZERO_CODE = ZeroCode(lambda: PATCHES, POLLING)
