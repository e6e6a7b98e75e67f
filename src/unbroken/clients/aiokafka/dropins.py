"""aiokafka: drop-in classes, and the methods that they share with zero code."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import aiokafka
from aiokafka.producer.message_accumulator import BatchBuilder

from unbroken.clients.aiokafka.messages import client_attributes, consumer_attributes
from unbroken.clients.kafka import attributes
from unbroken.clients.kafka.consumers import TracedConsumerMixin
from unbroken.clients.kafka.producers import DeliveryCallback, TracedProducerMixin, start_record
from unbroken.clients.wrappers import wraps_once
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.context import attached, inject


@wraps_once
def wrap_send(original: Any) -> Any:
    """Return a `send` that makes one PRODUCER span, to the end of its future; serializers run inside the span."""

    async def send(
        self: Any,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Any = None,
    ) -> Any:
        sending = start_record(
            lambda: _attributes_of(self), topic, key, value, partition, headers, _can_carry_headers(self)
        )
        try:
            if (inside := sending.context) is None:
                return await original(self, topic, value, key, partition, timestamp_ms, sending.headers)
            with attached(inside):
                future = await original(self, topic, value, key, partition, timestamp_ms, sending.headers)
        except BaseException as error:
            sending.end(error)
            raise
        if sending.is_observed:
            if hasattr(future, "add_done_callback"):
                future.add_done_callback(DeliveryCallback(sending))
            else:  # the double of a client, in somebody's tests
                sending.end()
        return future

    return send


@wraps_once
def wrap_create_batch(original: Any) -> Any:
    """Return a `create_batch` whose records carry the context that is current when they are appended."""

    def create_batch(self: Any) -> Any:
        batch = original(self)
        return Batch(batch) if type(batch) is BatchBuilder and _can_carry_headers(self) else batch

    return create_batch


def _attributes_of(producer: Any) -> Attributes:
    if isinstance(producer, TracedProducerMixin):
        return producer.unbroken_attributes
    return client_attributes(getattr(producer, "client", None), None)


def _can_carry_headers(producer: Any) -> bool:
    """Return whether the brokers that the client knows have record headers; a newer client has no other brokers."""
    version: Any = getattr(getattr(producer, "client", None), "api_version", None)
    return not isinstance(version, tuple) or version >= (0, 11)


class AIOKafkaProducer(TracedProducerMixin, aiokafka.AIOKafkaProducer):  # type: ignore[misc]  # a class without types
    """An `aiokafka.AIOKafkaProducer` whose messages carry the trace; serializers run inside the span."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.unbroken_attributes = client_attributes(self.client, None)

    send = wrap_send(aiokafka.AIOKafkaProducer.send)
    create_batch = wrap_create_batch(aiokafka.AIOKafkaProducer.create_batch)


class AIOKafkaConsumer(TracedConsumerMixin, aiokafka.AIOKafkaConsumer):  # type: ignore[misc]  # a class without types
    """An `aiokafka.AIOKafkaConsumer` whose group, client id and server are on the spans of its records."""

    def __init__(self, *topics: str, **named: Any) -> None:
        super().__init__(*topics, **named)
        given = (named.get("client_id"), named.get("group_id"), named.get("bootstrap_servers"))
        self.unbroken_attributes = {**consumer_attributes(self), **attributes.client_attributes(*given)}


class Batch(BatchBuilder):  # type: ignore[misc]  # a class without types
    """A `BatchBuilder` whose records carry the context that is current when they are appended."""

    def __init__(self, empty: BatchBuilder) -> None:
        self.__dict__.update(vars(empty))  # made by the client, whose arguments for it differ between its versions

    def append(self, *, timestamp: Any, key: Any, value: Any, headers: Any = None) -> Any:
        """Append one record, as the client does, with the current context in its headers."""
        return super().append(timestamp=timestamp, key=key, value=value, headers=inject(headers))
