"""Queues of the test's own, and what came of their messages."""

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from opentelemetry import trace

from unbroken.clients.pika import Delivery, get

FIELDS = {
    "text": "ü",
    "octets": b"\xff\x00",
    "number": 7,
    "large": 1 << 40,
    "true": True,
    "none": None,
    "decimal": Decimal("1.5"),
    "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "table": {"inner": {"deep": [1, "two"]}},
    "list": [1, None, {"a": b"b"}],
}


def declared(channel: Any, **arguments: Any) -> str:
    """A queue of the test's own."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    return name


def fetched(channel: Any, queue: str) -> Delivery:
    """The next message of a queue."""
    for _ in range(200):
        if (delivery := get(channel, queue)) is not None:
            return delivery
        channel.connection.process_data_events(0.05)
    raise AssertionError("no message came")


def current_id() -> int:
    return trace.get_current_span().get_span_context().span_id


def consumed(channel: Any, queue: str, handle: Callable[..., Any], count: int = 1, **named: Any) -> None:
    """Run a handler as the callback of a consumer for so many messages."""
    left = [count]

    def callback(*pieces: Any) -> None:
        try:
            handle(*pieces)
        finally:
            left[0] -= 1
            if not left[0]:
                channel.stop_consuming()

    channel.basic_consume(queue, callback, **named)
    channel.start_consuming()
