"""confluent-kafka's asyncio clients: drop-in `AIOProducer` and `AIOConsumer`.

    from unbroken.clients.confluent_kafka_aio import AIOConsumer, AIOProducer

`AIOProducer` of the client collects messages in batches that cannot carry headers. Ours gives each message to
librdkafka at once, with its headers, and librdkafka makes the batches (`linger.ms`); `batch_size` and `buffer_timeout`
have no effect.
"""

from __future__ import annotations

import asyncio
from typing import Any

from confluent_kafka import KafkaError, KafkaException, aio

from unbroken.clients.confluent_kafka import Configured, Reported, cause, client_attributes
from unbroken.clients.kafka_facts import Producing

__all__ = ["AIOConsumer", "AIOProducer"]

_POLL_SECONDS = 0.05
"""How long one call waits for delivery reports, at most; it returns with the first."""


class AIOProducer(Producing, aio.AIOProducer):
    """An `AIOProducer` whose messages carry the trace; `headers=` works too."""

    def __init__(self, producer_conf: dict[str, Any], *args: Any, **named: Any) -> None:
        self.unbroken_attributes = client_attributes(producer_conf)
        self._unbroken_in_flight = 0
        self._unbroken_serving: asyncio.Task[None] | None = None
        super().__init__(producer_conf, *args, **named)

    async def produce(
        self, topic: str, value: Any = None, key: Any = None, *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Send one message and return the future of its delivery: the message, or a KafkaException.

        Waits while librdkafka's queue is full.
        """
        sending = self.unbroken_begin(topic, key, value, kwargs.get("partition"), kwargs.get("headers"))
        # As in the client, what else is given by name (`on_delivery`: the future tells instead) has no effect.
        settings = {name: kwargs[name] for name in ("partition", "timestamp") if name in kwargs}
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[Any] = loop.create_future()

        def report(error: KafkaError | None, message: Any) -> None:
            loop.call_soon_threadsafe(self._unbroken_deliver, delivered, error, message)

        try:
            await self._unbroken_queue(
                topic, value, key, *args, on_delivery=Reported(sending, report), headers=sending.headers, **settings
            )
        except BaseException as error:
            sending.end(cause(error))
            raise
        self._unbroken_in_flight += 1
        if self._unbroken_serving is None or self._unbroken_serving.done():
            self._unbroken_serving = loop.create_task(self._unbroken_serve())
        return delivered

    async def _unbroken_queue(self, *args: Any, **named: Any) -> None:
        while True:
            try:
                return self._producer.produce(*args, **named)
            except BufferError:
                await self.poll(_POLL_SECONDS)

    async def _unbroken_serve(self) -> None:
        """Serve delivery reports until every message has had its own."""
        while self._unbroken_in_flight and not self._is_closed:
            await self.poll(_POLL_SECONDS)

    def _unbroken_deliver(self, delivered: asyncio.Future[Any], error: KafkaError | None, message: Any) -> None:
        self._unbroken_in_flight -= 1
        if delivered.done():  # cancelled by its owner
            return
        if error is None:
            delivered.set_result(message)
        else:
            delivered.set_exception(KafkaException(error))


class AIOConsumer(Configured, aio.AIOConsumer):
    """An `AIOConsumer` whose group, client id and server are on the spans of its messages."""
