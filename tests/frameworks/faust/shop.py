"""A shop on faust, run as a process of its own: `faust -A tests.frameworks.faust.shop worker`.

Every order says in its value what happens to it. With SHOP_PLAIN it is the same shop without unbroken's class.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import faust
from opentelemetry import baggage, trace

from tests.frameworks.exported import export_to
from unbroken import forward, process, receive
from unbroken.frameworks.faust import App

NAME = os.environ["SHOP_NAME"]

tracer = trace.get_tracer("shop")


class Refused(Exception):
    """What the handler of an order raises."""


def tell(event: str, what: object) -> None:
    """Write one line for the tests, past the framework, which logs what is printed."""
    os.write(TOLD, f"\n::{event} {json.dumps(what)}\n".encode())


def look(event: Any) -> None:
    """Make a span that shows by its parent what is current outside an event."""
    with tracer.start_as_current_span("outside") as span:
        span.set_attribute("order", event.value["id"])


def pay(order: dict[str, Any], attempt: int) -> None:
    """Pay an order, or raise, as the order says."""
    with tracer.start_as_current_span("pay") as span:
        span.set_attributes({"order": order["id"], "customer": str(baggage.get_baggage("customer"))})
        tell("pay", order["id"])
        if order["do"] in ("bury", "crash") or (order["do"] == "retry" and attempt == 0):
            raise Refused(order["id"])


class Shop(faust.App if "SHOP_PLAIN" in os.environ else App):  # type: ignore[misc]
    """Tells in what span the framework deals with an error."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        for _ in range(10):  # in which the event loop closes the stream of the agent
            await asyncio.sleep(0)
        await super()._on_agent_error(agent, exc)
        with tracer.start_as_current_span("crashed"):
            tell("crash", str(exc))
        trace.get_current_span().add_event("handled")


TOLD = os.dup(1)
if "SHOP_SPANS" in os.environ:
    export_to(os.environ["SHOP_SPANS"])
app = Shop(
    NAME,
    broker=f"kafka://{os.environ['SHOP_KAFKA']}",
    store="memory://",
    datadir=os.environ["SHOP_STATE"],
    topic_allow_declare=False,
    topic_disable_leader=True,
    broker_commit_interval=0.2,
    stream_wait_empty=False,
    web_enabled=False,
)
orders, retries, paid, dead, packed, manual, late = (
    app.topic(f"{NAME}.{topic}") for topic in ("orders", "retries", "paid", "dead", "packed", "manual", "late")
)
done = app.channel()
counts = app.Table("counts", default=int)


@app.agent(orders, sink=[paid])
async def shop(stream: Any) -> AsyncIterator[dict[str, Any]]:
    """Pay orders; a refused one is sent again, or to the dead letters, and a crash is not survived."""
    async for event in stream.events():
        order = event.value
        try:
            pay(order, 0)
        except Refused as error:
            if order["do"] == "crash":
                raise
            with process(event), tracer.start_as_current_span("refuse"):
                topic = retries if order["do"] == "retry" else dead
                await topic.send(key=event.key, value=order, headers=forward(event, error=error))
            continue
        counts["paid"] += 1
        await done.send(value=order)
        if order["do"] == "soon":
            late.send_soon(value=order)
        yield order


@app.agent(retries)
async def again(stream: Any) -> None:
    """Pay what was refused once."""
    async for order in stream:
        pay(order, 1)


@app.agent(dead)
async def bury(stream: Any) -> None:
    """Look at the dead letters."""
    async for order in stream:
        with tracer.start_as_current_span("bury"):
            tell("bury", order["id"])


@app.agent(done)
async def thank(stream: Any) -> None:
    """Take what another agent of this process has done."""
    async for order in stream:
        with tracer.start_as_current_span("thank") as span:
            span.set_attribute("order", order["id"])


@app.agent(packed)
async def pack(stream: Any) -> None:
    """Handle two orders at once, each in its own trace."""
    async for events in stream.take_events(2, within=30):
        with receive(events):
            for event in events:
                with process(event), tracer.start_as_current_span("pack"):
                    pass
        look(events[0])


@app.agent(manual)
async def acknowledge(stream: Any) -> None:
    """Acknowledge orders by hand."""
    unacked = stream.noack()
    async for event in unacked.events():
        with tracer.start_as_current_span("acknowledge"):
            pass
        await unacked.ack(event)
        look(event)


@app.agent(name="add")
async def add(stream: Any) -> AsyncIterator[int]:
    """Answer with the next number."""
    async for number in stream:
        yield number + 1


if __name__ == "__main__":
    app.main()
