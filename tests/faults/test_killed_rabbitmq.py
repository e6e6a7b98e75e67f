"""A real RabbitMQ goes away twice under robust connections: no message is lost, no trace breaks, nothing is left."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import get_current

from services.rabbitmq import RabbitMQ
from tests.faults.spans import sent
from unbroken.testing import Spans

pytest.importorskip("aio_pika")
import aio_pika

from unbroken.clients.aio_pika import connect_robust

MESSAGES = 100
"""How many messages are confirmed and processed before each fault, and after the last one."""
SECONDS = 120.0
"""How long anything may take before the test fails."""


class Service(threading.Thread):
    """A publishing and a consuming loop on robust connections, until told to stop.

    Attributes:
        confirmed: the trace in which each message was published that the broker has confirmed.
        processed: the traces in which each message was processed: it may come twice.
        attempts: how many messages were published or tried.
        troubles: the errors of publishing.
        unclean: contexts that were not empty where nothing was being processed.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.confirmed: dict[int, int] = {}
        self.processed: defaultdict[int, list[int]] = defaultdict(list)
        self.attempts = 0
        self.troubles: list[BaseException] = []
        self.unclean: list[Any] = []
        self.failure: BaseException | None = None
        self.is_publishing = True
        self.is_consuming = True

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - seen by the test
            self.failure = error

    async def _serve(self) -> None:
        async with (
            await connect_robust(self.url, reconnect_interval=0.2) as consuming,
            await connect_robust(self.url, reconnect_interval=0.2) as publishing,
        ):
            channel = await consuming.channel()
            await channel.set_qos(prefetch_count=20)
            queue = await channel.declare_queue("faults", durable=True)
            await queue.consume(self._handle)
            await self._publish((await publishing.channel()).default_exchange)
            while self.is_consuming:  # noqa: ASYNC110 - told by another thread
                await asyncio.sleep(0.05)

    async def _handle(self, message: Any) -> None:
        number = int(message.body)
        try:
            async with message.process():
                await asyncio.sleep(0)
                self.processed[number].append(trace.get_current_span().get_span_context().trace_id)
        except Exception:  # noqa: BLE001 - the channel is gone: the broker delivers the message again
            return

    async def _publish(self, exchange: Any) -> None:
        tracer = trace.get_tracer(__name__)
        while self.is_publishing:
            number, self.attempts = self.attempts, self.attempts + 1
            message = aio_pika.Message(b"%d" % number, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            with tracer.start_as_current_span("order") as span:
                try:
                    await exchange.publish(message, "faults", timeout=2)
                except Exception as error:  # noqa: BLE001 - of many kinds, while the broker is away
                    self.troubles.append(error)
                    await asyncio.sleep(0.05)
                else:
                    self.confirmed[number] = span.get_span_context().trace_id
            if get_current():
                self.unclean.append(get_current())

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.failure is None, self.failure
            assert time.monotonic() < deadline, f"the service did not {what} within {SECONDS} s"
            time.sleep(0.05)

    def wait_for_messages(self, count: int) -> None:
        self.wait_for(lambda: len(self.confirmed) >= count, f"get {count} messages to the broker")
        self.wait_for(lambda: len(self.processed) >= count, f"process {count} messages")


@pytest.mark.parametrize("go_away", [RabbitMQ.kill, RabbitMQ.stop], ids=["killed", "stopped"])
def test_a_broker_that_goes_away_costs_no_message_and_no_trace(
    go_away: Callable[[RabbitMQ], None], own_rabbitmq: RabbitMQ, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "unbroken")
    caplog.set_level(logging.CRITICAL, "aio_pika")
    caplog.set_level(logging.CRITICAL, "aiormq")
    service = Service(own_rabbitmq.url)
    service.start()
    for fault in (1, 2):
        service.wait_for_messages(fault * MESSAGES)
        noticed = len(service.troubles)
        go_away(own_rabbitmq)
        service.wait_for(lambda: len(service.troubles) > noticed, "notice that the broker is away")  # noqa: B023 - called at once
        own_rabbitmq.start()
    service.wait_for_messages(3 * MESSAGES)
    service.is_publishing = False
    service.wait_for(lambda: service.confirmed.keys() <= service.processed.keys(), "process every confirmed message")
    service.is_consuming = False
    service.join(SECONDS)
    assert service.failure is None
    astray = {number for number, sent in service.confirmed.items() if set(service.processed[number]) != {sent}}
    assert astray == set()
    assert service.unclean == []
    published = sent(spans)
    assert len(published) == service.attempts
    assert sum(not span.status.is_ok for span in published) == len(service.troubles)
    assert [record.getMessage() for record in caplog.records if record.name.startswith(("unbroken", "opentele"))] == []
