"""aiokafka: how its records are read, and drop-in classes for its producer and consumer.

    from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per `send`, which ends when the future that `send` returned is done: with partition and offset,
or with the error. A consumer knows its group, client id and server: `consumer.process(record)` is
`process(record, consumer)`, for the records of `getone`, `getmany` and `async for`.

A batch of one's own (`create_batch`, `send_batch`) carries the context that is current at each `append`; there is no
span for it, because the topic is known only when the batch is sent.

The client gives headers as a tuple and takes only a list: `forward` returns a list.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from unbroken.errors import required

with required("aiokafka"):
    import aiokafka
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import ConsumerRecord

from unbroken.clients.kafka_facts import Ending, TracedConsumerMixin, TracedProducerMixin, record_type
from unbroken.messaging import semconv
from unbroken.messaging.message import register
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.propagation.carriers import Fields, PairsCarrier
from unbroken.propagation.context import attached, inject

__all__ = ["AIOKafkaConsumer", "AIOKafkaProducer"]


class _Headers(PairsCarrier):
    """Headers as the client gives them, a tuple, and written as it takes them, a list."""

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        return list(super().replaced(headers, fields, names))


def client_attributes(client: object, group: object) -> Attributes:
    """Return what a client knows; it keeps its configuration in private attributes, which may go."""
    return semconv.client(getattr(client, "_client_id", None), group, getattr(client, "_bootstrap_servers", None))


def consumer_attributes(consumer: object) -> Attributes:
    return client_attributes(getattr(consumer, "_client", None), getattr(consumer, "_group_id", None))


register(ConsumerRecord, record_type(_Headers(), consumer_attributes))


class AIOKafkaProducer(TracedProducerMixin, aiokafka.AIOKafkaProducer):  # type: ignore[misc]  # a class without types
    """An `aiokafka.AIOKafkaProducer` whose messages carry the trace; serializers run inside the span."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.unbroken_attributes = client_attributes(self.client, None)

    async def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Any = None,
    ) -> Any:
        """Send one message, as the client does; its span ends with the future that is returned."""
        sending = self.unbroken_start_send(topic, key, value, partition, headers)
        return await deliver(sending, super().send, topic, value, key, partition, timestamp_ms)

    def create_batch(self) -> BatchBuilder:
        """Return an empty batch; each record carries the context that is current when it is appended."""
        return Batch(super().create_batch())


async def deliver(
    sending: Sending,
    send: Callable[..., Awaitable[Any]],
    topic: str,
    value: Any,
    key: Any,
    partition: int | None,
    timestamp_ms: int | None,
) -> Any:
    """Send one message with the client's own `send` and return its future; serializers run inside the span."""
    try:
        if (inside := sending.context) is None:
            return await send(topic, value, key, partition, timestamp_ms, sending.headers)
        with attached(inside):
            future: Any = await send(topic, value, key, partition, timestamp_ms, sending.headers)
    except BaseException as error:
        sending.end(error)
        raise
    if sending.is_observed:
        future.add_done_callback(Ending(sending))
    return future


class AIOKafkaConsumer(TracedConsumerMixin, aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # a class without types
    """An `aiokafka.AIOKafkaConsumer` whose group, client id and server are on the spans of its records."""

    def __init__(self, *topics: str, **named: Any) -> None:
        super().__init__(*topics, **named)
        self.unbroken_attributes = {
            **consumer_attributes(self),
            **semconv.client(named.get("client_id"), named.get("group_id"), named.get("bootstrap_servers")),
        }


class Batch(BatchBuilder):  # type: ignore[misc]  # a class without types
    """A `BatchBuilder` whose records carry the context that is current when they are appended."""

    def __init__(self, empty: BatchBuilder) -> None:
        self.__dict__.update(vars(empty))  # made by the client, whose arguments for it differ between its versions

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Any = None) -> Any:
        """Append one record, as the client does, with the current context in its headers."""
        return super().append(timestamp=timestamp, key=key, value=value, headers=inject(headers))
