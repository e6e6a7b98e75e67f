"""A shop on dramatiq, as a worker runs it: `dramatiq tests.frameworks.dramatiq.shop:broker`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq import Retry
from dramatiq.broker import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, CurrentMessage, Middleware
from opentelemetry import context, trace

from tests.frameworks.exported import export_to, export_when_told
from unbroken.frameworks.dramatiq import UnbrokenMiddleware, instrument

QUEUE = os.environ.get("SHOP_QUEUE", "shop")
tracer = trace.get_tracer("shop")


class TellTheContext(Middleware):
    """Tells what is left of a message when its thread is about to acknowledge or to reject it."""

    def before_ack(self, broker: Broker, message: Any) -> None:
        left = sorted(context.get_current())
        with tracer.start_as_current_span("after", attributes={"left": left, "id": message.message_id}):
            pass

    before_nack = before_ack


def make_broker() -> Broker:
    """Return the broker of the environment: of a worker, or of who collects tests."""
    if "SHOP_SPANS" not in os.environ:
        return StubBroker()
    export = export_when_told if os.environ["SHOP_EXPORTS"] == "when told" else export_to
    export(os.environ["SHOP_SPANS"])
    broker = RabbitmqBroker(url=os.environ["SHOP_BROKER"])
    broker.add_middleware(AsyncIO())
    broker.add_middleware(CurrentMessage())
    broker.add_middleware(TellTheContext())
    broker.add_middleware(UnbrokenMiddleware())  # the last: it goes to the first place itself
    broker.add_middleware(UnbrokenMiddleware())  # twice is once
    return instrument(broker)


broker = make_broker()


def actor(**options: Any) -> Any:
    """Return a decorator that makes an actor of this broker and queue; retries come at once."""
    return dramatiq.actor(broker=broker, queue_name=QUEUE, min_backoff=1, max_backoff=1, **options)


@actor()
def charge(order: str) -> None:
    with tracer.start_as_current_span("charging", attributes={"order": order}):
        pass


@actor()
async def charge_async(order: str) -> None:
    with tracer.start_as_current_span("charging", attributes={"order": order}):
        pass


@actor()
def answer(path: str) -> None:
    Path(path).write_text("here")


@actor(max_retries=0)
def fail(order: str) -> None:
    raise ValueError(order)


@actor(max_retries=2)
def try_again(order: str) -> None:
    if _retries() < 2:
        raise ConnectionError(order)
    charge.fn(order)


@actor(max_retries=1)
def poll(order: str) -> None:
    if _retries() == 0:
        raise Retry(delay=1)


@actor()
def publish_more(order: str) -> None:
    charge.send(order)


@actor()
def leave(order: str) -> None:
    context.attach(context.set_value("left by the actor", order))


def _retries() -> int:
    message = CurrentMessage.get_current_message()
    assert message is not None
    retries: int = message.options.get("retries", 0)
    return retries
