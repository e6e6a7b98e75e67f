"""A shop on quixstreams, run as a process of its own: `python -m tests.frameworks.quixstreams.shop`.

Every order says in its value what happens to it. With SHOP_PLAIN it is the same shop without unbroken's class.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from logging import Logger
from typing import Any

import quixstreams
from opentelemetry import baggage, trace
from quixstreams.sinks import BatchingSink, SinkBatch

from tests.frameworks.exported import export_to
from unbroken import attached, extract, forward, inject, process, receive
from unbroken.frameworks.quixstreams import Application, records

NAME = os.environ["SHOP_NAME"]
PLAIN = "SHOP_PLAIN" in os.environ

tracer = trace.get_tracer("shop")


class Refused(Exception):
    """What the handler of an order raises."""


class Ledger(BatchingSink):
    """Writes the orders of a checkpoint at once."""

    def write(self, batch: SinkBatch) -> None:
        messages = records(batch)
        with receive(messages):
            for message in messages:
                with process(message), tracer.start_as_current_span("write"):
                    pass


def tell(event: str, what: object) -> None:
    """Write one line for the tests; the log of the framework goes to standard error."""
    os.write(1, f"\n::{event} {json.dumps(what)}\n".encode())


def pay(order: dict[str, Any], key: object, timestamp: int, headers: Any) -> dict[str, Any]:
    """Pay an order, or raise, as the order says."""
    with tracer.start_as_current_span("pay") as span:
        span.set_attributes({"order": order["id"], "customer": str(baggage.get_baggage("customer"))})
        tell("pay", order["id"])
        attempt = int(dict(headers or ()).get("unbroken-attempt", b"0"))
        if order["do"] in ("bury", "crash") or (order["do"] == "retry" and attempt == 0):
            raise Refused(order["id"])
    return order


def refused(error: Exception, row: Any, logger: Logger) -> bool:
    """Send a refused order again, or to the dead letters; a crash is not survived."""
    order = row.value
    if order["do"] == "crash":
        tell("crash", order["id"])
        return False
    with process(row), tracer.start_as_current_span("refuse"):
        topic = retries if order["do"] == "retry" else dead
        producer.produce(topic.name, json.dumps(order).encode(), key=row.key, headers=forward(row, error=error))
        producer.flush()
    return True


def unreadable(error: Exception, message: Any, logger: Logger) -> bool:
    """Send what is no JSON to the dead letters; tell any other error to the framework."""
    if message is None:
        return False
    with tracer.start_as_current_span("refuse"):
        order = json.dumps({"id": "unreadable", "do": "bury"}).encode()
        producer.produce(dead.name, order, headers=forward(message, error=error))
        producer.flush()
    return True


def processed(topic: str, partition: int, offset: int) -> None:
    """Note that the framework is done with a message."""
    trace.get_current_span().add_event("processed")
    tell("processed", [topic, offset])


def bury(order: Mapping[str, Any]) -> None:
    """Look at a dead letter."""
    with tracer.start_as_current_span("bury"):
        tell("bury", order["id"])


def pack(orders: list[dict[str, Any]]) -> None:
    """Handle the orders that a window has collected, each in its own context."""
    for order in orders:
        with attached(extract(order["context"])), tracer.start_as_current_span("pack"):
            tell("pack", order["id"])


if "SHOP_SPANS" in os.environ:
    export_to(os.environ["SHOP_SPANS"])
app = (quixstreams.Application if PLAIN else Application)(
    os.environ["SHOP_KAFKA"],
    consumer_group=NAME,
    auto_offset_reset="earliest",
    commit_every=1,
    consumer_poll_timeout=0.1,
    state_dir=os.environ["SHOP_STATE"],
    loglevel="WARNING",
    on_processing_error=refused,
    on_consumer_error=unreadable,
    on_message_processed=processed,
)
orders, retries, paid, dead, packed, sunk = (
    app.topic(f"{NAME}.{topic}") for topic in ("orders", "retries", "paid", "dead", "packed", "sunk")
)
producer = app.get_producer()
for topic in (orders, retries):
    app.dataframe(topic).apply(pay, metadata=True).to_topic(paid)
app.dataframe(dead).update(bury)
window = app.dataframe(packed).apply(lambda order: {**order, "context": inject({})}).tumbling_count_window(2)
window.collect().final().update(lambda result: pack(result["value"]))
app.dataframe(sunk).sink(Ledger())

if __name__ == "__main__":
    try:
        app.run()
    finally:
        producer.flush()
        trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]
