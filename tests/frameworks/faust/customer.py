"""Asks an agent of the shop from a process of its own: `python -m tests.frameworks.faust.customer`."""

from __future__ import annotations

import asyncio

from tests.frameworks.faust.shop import add, app, tracer


async def ask() -> None:
    """Ask once, inside a span."""
    with tracer.start_as_current_span("ask") as span:
        span.set_attribute("answer", await add.ask(1))
    await app.stop()


if __name__ == "__main__":
    asyncio.run(ask())
