"""aiokafka without a change in the application: what stands in place of its methods.

`getone`, and `async for`, which calls it: the record is current. `getmany`: a span with links, and each record is
current in its turn of a loop over them.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import time
from typing import Any

import aiokafka

from unbroken.clients.aiokafka.dropins import wrap_create_batch, wrap_send
from unbroken.clients.aiokafka.messages import consumer_attributes
from unbroken.clients.kafka.zero_code import Consumers, Method
from unbroken.clients.patches import Patch, ZeroCode

CONSUMERS = Consumers(consumer_attributes)


def _wrap_getmany(method: Method) -> Method:
    """Return the `getmany` of a consumer."""

    @functools.wraps(method)
    async def getmany(consumer: Any, *partitions: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        state = CONSUMERS.call(consumer)
        started = time.time_ns()
        records = await method(consumer, *partitions, timeout_ms=timeout_ms, max_records=max_records)
        return state.hand_out(records, one=max_records == 1, started=started)

    return getmany


PATCHES = [
    Patch(aiokafka.AIOKafkaConsumer, "getone", CONSUMERS.wrap_async_poll),
    Patch(aiokafka.AIOKafkaConsumer, "getmany", _wrap_getmany),
    Patch(aiokafka.AIOKafkaConsumer, "stop", CONSUMERS.wrap_close),
    Patch(aiokafka.AIOKafkaProducer, "send", wrap_send),
    Patch(aiokafka.AIOKafkaProducer, "create_batch", wrap_create_batch),
]

ZERO_CODE = ZeroCode(lambda: PATCHES, CONSUMERS.switch)
