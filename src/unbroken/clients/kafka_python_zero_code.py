"""kafka-python without a change in the application: what stands in place of its methods.

The iterator: the record is current. `poll`: a span with links, and no record is current, unless one was asked for.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
import time
from typing import Any

import kafka

from unbroken.clients.kafka_facts import TracedProducerMixin
from unbroken.clients.kafka_python import client_attributes, deliver
from unbroken.clients.kafka_zero_code import Consumers, Method
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.messaging import semconv
from unbroken.messaging.send import start_send

CONSUMERS = Consumers(client_attributes)


def _poll(method: Method) -> Method:
    """Return the `poll` of a consumer."""

    @functools.wraps(method)
    def poll(consumer: Any, timeout_ms: float = 0, max_records: int | None = None, update_offsets: bool = True) -> Any:
        if not update_offsets:  # the iterator's own call
            return method(consumer, timeout_ms, max_records, update_offsets)
        watched = CONSUMERS.watched(consumer)
        watched.called()
        started = time.time_ns()
        records = method(consumer, timeout_ms, max_records, update_offsets)
        return watched.gave(records, one=max_records == 1, started=started)

    return poll


def _send(method: Method) -> Method:
    """Return the `send` of a producer."""

    @functools.wraps(method)
    def send(
        producer: Any,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Any:
        if isinstance(producer, TracedProducerMixin):  # ours, which traces itself
            return method(producer, topic, value, key, headers, partition, timestamp_ms)
        sending = start_send(
            topic,
            headers,
            lambda: semconv.kafka_send(topic, partition, key, value is None, client_attributes(producer)),
        )
        own = functools.partial(method, producer)
        return deliver(sending, producer, own, topic, value, key, partition, timestamp_ms)

    return send


PATCHES = [
    Patch(kafka.KafkaConsumer, "__next__", CONSUMERS.wrap_poll),
    Patch(kafka.KafkaConsumer, "poll", _poll),
    Patch(kafka.KafkaConsumer, "close", CONSUMERS.wrap_close),
    Patch(kafka.KafkaProducer, "send", _send),
]

ZERO_CODE = ZeroCode(lambda: PATCHES, CONSUMERS.polling)
