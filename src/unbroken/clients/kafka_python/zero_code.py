"""kafka-python without a change in the application: what stands in place of its methods.

The iterator: the record is current. `poll`: a span with links, and each record is current in its turn of a loop over
them.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import time
from typing import Any

import kafka

from unbroken.clients.kafka.zero_code import Consumers, Method
from unbroken.clients.kafka_python.dropins import wrap_send
from unbroken.clients.kafka_python.messages import client_attributes
from unbroken.clients.patches import Patch, ZeroCode

CONSUMERS = Consumers(client_attributes)


def _wrap_poll(method: Method) -> Method:
    """Return the `poll` of a consumer."""

    @functools.wraps(method)
    def poll(consumer: Any, timeout_ms: float = 0, max_records: int | None = None, update_offsets: bool = True) -> Any:
        if not update_offsets:  # the iterator's own call
            return method(consumer, timeout_ms, max_records, update_offsets)
        state = CONSUMERS.call(consumer)
        started = time.time_ns()
        records = method(consumer, timeout_ms, max_records, update_offsets)
        return state.hand_out(records, one=max_records == 1, started=started)

    return poll


PATCHES = [
    Patch(kafka.KafkaConsumer, "__next__", CONSUMERS.wrap_poll),
    Patch(kafka.KafkaConsumer, "poll", _wrap_poll),
    Patch(kafka.KafkaConsumer, "close", CONSUMERS.wrap_close),
    Patch(kafka.KafkaProducer, "send", wrap_send),
]

ZERO_CODE = ZeroCode(lambda: PATCHES, CONSUMERS.switch)
