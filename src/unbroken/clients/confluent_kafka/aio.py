"""confluent-kafka's asyncio clients: drop-in `AIOProducer` and `AIOConsumer`.

    from unbroken.clients.confluent_kafka_aio import AIOConsumer, AIOProducer

`AIOProducer` of the client collects messages in batches that cannot carry headers. Ours gives each message to
librdkafka at once, with its headers, and librdkafka makes the batches (`linger.ms`); `batch_size` and `buffer_timeout`
have no effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, aio
from confluent_kafka.cimpl import Producer as NativeProducer

from unbroken.clients.confluent_kafka.configuration import client_attributes, error_of
from unbroken.clients.confluent_kafka.dropins import ConfiguredConsumerMixin, DeliveryReport
from unbroken.clients.kafka.producers import TracedProducerMixin

__all__ = ["AIOConsumer", "AIOProducer"]

_POLL_SECONDS = 0.05
"""How long one call waits for delivery reports, at most; it returns with the first."""


class SendsWithHeaders(TracedProducerMixin):
    """How one `AIOProducer` of this configuration sends: what stands in place of its batches."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.unbroken_attributes = client_attributes(config)
        self._in_flight = 0
        self._serving: asyncio.Task[None] | None = None

    async def produce(
        self, aio_producer: Any, topic: str, value: Any = None, key: Any = None, *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Send one message and return the future of its delivery: the message, or a KafkaException.

        Waits while librdkafka's queue is full.
        """
        sending = self.unbroken_start_send(topic, key, value, kwargs.get("partition"), kwargs.get("headers"))
        # As in the client, what else is given by name (`on_delivery`: the future tells instead) has no effect.
        settings = {name: kwargs[name] for name in ("partition", "timestamp") if name in kwargs}
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[Any] = loop.create_future()

        def report(error: KafkaError | None, message: Any) -> None:
            loop.call_soon_threadsafe(self._deliver, delivered, error, message)

        report_delivery = DeliveryReport(sending, report)
        try:
            await _queue(
                aio_producer, topic, value, key, *args, on_delivery=report_delivery, headers=sending.headers, **settings
            )
        except Exception as error:  # as in the client, it is the future that raises
            sending.end(error_of(error))
            delivered.set_exception(error)
            return delivered
        except BaseException as error:
            sending.end(error_of(error))
            raise
        self._in_flight += 1
        if self._serving is None or self._serving.done():
            self._serving = loop.create_task(self._serve(aio_producer))
        return delivered

    async def _serve(self, aio_producer: Any) -> None:
        """Serve delivery reports until every message has had its own."""
        while self._in_flight and not aio_producer._is_closed:  # noqa: SLF001 - the client has no public way to ask
            await aio_producer.poll(_POLL_SECONDS)

    def _deliver(self, delivered: asyncio.Future[Any], error: KafkaError | None, message: Any) -> None:
        self._in_flight -= 1
        if delivered.done():  # cancelled by its owner
            return
        if error is None:
            delivered.set_result(message)
        elif error.code() in _PURGED:  # as in the client
            delivered.cancel()
        else:
            delivered.set_exception(KafkaException(error))


_PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)  # noqa: SLF001 - the names of public constants


async def _queue(aio_producer: Any, *args: Any, **named: Any) -> None:
    while True:
        try:
            # The client's own `produce`, also where zero-code instrumentation has put ours in its place.
            NativeProducer.produce(aio_producer._producer, *args, **named)  # noqa: SLF001 - what an AIOProducer sends with
            return
        except BufferError:
            await aio_producer.poll(_POLL_SECONDS)


def has_native_producer(aio_producer: Any) -> bool:
    """Return whether an `AIOProducer` sends with a producer of the client, not with the double of a test."""
    return isinstance(aio_producer._producer, NativeProducer)  # noqa: SLF001 - as above


class AIOProducer(aio.AIOProducer):
    """An `AIOProducer` whose messages carry the trace; `headers=` works too."""

    def __init__(self, producer_conf: dict[str, Any], *args: Any, **named: Any) -> None:
        self.unbroken_sends = SendsWithHeaders(producer_conf)
        super().__init__(producer_conf, *args, **named)

    async def produce(
        self, topic: str, value: Any = None, key: Any = None, *args: Any, **kwargs: Any
    ) -> asyncio.Future[Any]:
        """Send one message and return the future of its delivery: the message, or a KafkaException.

        Waits while librdkafka's queue is full.
        """
        if not has_native_producer(self):
            return await super().produce(topic, value, key, *args, **kwargs)
        return await self.unbroken_sends.produce(self, topic, value, key, *args, **kwargs)


class AIOConsumer(ConfiguredConsumerMixin, aio.AIOConsumer):
    """An `AIOConsumer` whose group, client id and server are on the spans of its messages."""
