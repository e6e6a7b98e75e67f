"""aiokafka without a change in the application: what stands in place of its methods.

`getone`, and `async for`, which calls it: the record is current. `getmany`: a span with links, and no record is
current, unless one was asked for.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
import time
from typing import Any

import aiokafka

from unbroken.clients.aiokafka import Batch, client_attributes, consumer_attributes, deliver
from unbroken.clients.kafka_facts import TracedProducerMixin
from unbroken.clients.kafka_zero_code import Consumers, Method
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.messaging import semconv
from unbroken.messaging.send import start_send

CONSUMERS = Consumers(consumer_attributes)


def _getmany(method: Method) -> Method:
    """Return the `getmany` of a consumer."""

    @functools.wraps(method)
    async def getmany(consumer: Any, *partitions: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        watched = CONSUMERS.watched(consumer)
        watched.called()
        started = time.time_ns()
        records = await method(consumer, *partitions, timeout_ms=timeout_ms, max_records=max_records)
        return watched.gave(records, one=max_records == 1, started=started)

    return getmany


def _send(method: Method) -> Method:
    """Return the `send` of a producer."""

    @functools.wraps(method)
    async def send(
        producer: Any,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Any = None,
    ) -> Any:
        if isinstance(producer, TracedProducerMixin):  # ours, which traces itself
            return await method(producer, topic, value, key, partition, timestamp_ms, headers)
        sending = start_send(
            topic,
            headers,
            lambda: semconv.kafka_send(
                topic, partition, key, value is None, client_attributes(getattr(producer, "client", None), None)
            ),
        )
        return await deliver(sending, functools.partial(method, producer), topic, value, key, partition, timestamp_ms)

    return send


def _create_batch(method: Method) -> Method:
    """Return the `create_batch` of a producer."""

    @functools.wraps(method)
    def create_batch(producer: Any) -> Any:
        batch = method(producer)
        return batch if isinstance(producer, TracedProducerMixin) else Batch(batch)

    return create_batch


PATCHES = [
    Patch(aiokafka.AIOKafkaConsumer, "getone", CONSUMERS.wrap_async_poll),
    Patch(aiokafka.AIOKafkaConsumer, "getmany", _getmany),
    Patch(aiokafka.AIOKafkaConsumer, "stop", CONSUMERS.wrap_close),
    Patch(aiokafka.AIOKafkaProducer, "send", _send),
    Patch(aiokafka.AIOKafkaProducer, "create_batch", _create_batch),
]

ZERO_CODE = ZeroCode(lambda: PATCHES, CONSUMERS.polling)
