"""kafka-python: drop-in classes, and the method that they share with zero code."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

import kafka

from unbroken.clients.kafka.consumers import TracedConsumerMixin
from unbroken.clients.kafka.producers import TracedProducerMixin, placed_by, start_record
from unbroken.clients.kafka_python.messages import client_attributes
from unbroken.clients.wrappers import wraps_once
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.context import attached


@wraps_once
def wrap_send(original: Any) -> Any:
    """Return a `send` that makes one PRODUCER span, to the end of its future; serializers run inside the span."""

    def send(
        self: Any,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Any:
        sending = start_record(
            lambda: _attributes_of(self), topic, key, value, partition, headers, _can_carry_headers(self)
        )
        try:
            if (inside := sending.context) is None:
                return original(self, topic, value, key, sending.headers, partition, timestamp_ms)
            with attached(inside):
                future = original(self, topic, value, key, sending.headers, partition, timestamp_ms)
        except BaseException as error:
            sending.end(error)
            raise
        if sending.is_observed:
            _end_with(future, sending, _config_of(self).get("acks") != 0)  # the client tells offset 0 then
        return future

    return send


def _end_with(future: Any, sending: Sending, acknowledged: bool) -> None:
    if hasattr(future, "add_callback") and hasattr(future, "add_errback"):
        future.add_callback(_succeed, sending, acknowledged)
        future.add_errback(sending.end)
    else:  # the double of a client, in somebody's tests
        sending.end()


def _succeed(sending: Sending, acknowledged: bool, metadata: Any) -> None:
    try:
        sending.end(attributes=placed_by(metadata, acknowledged))
    except Exception as failure:
        log_internal_error("the end of a send", failure)


def _attributes_of(producer: Any) -> Attributes:
    return producer.unbroken_attributes if isinstance(producer, TracedProducerMixin) else client_attributes(producer)


def _config_of(producer: Any) -> dict[str, Any]:
    found: dict[str, Any] = getattr(producer, "config", {})
    return found


def _can_carry_headers(producer: Any) -> bool:
    """Return whether the brokers have record headers, as the client was told or has found out: it refuses them else."""
    version: Any = _config_of(producer).get("api_version")
    return not isinstance(version, tuple) or version >= (0, 11)


class KafkaProducer(TracedProducerMixin, kafka.KafkaProducer):  # type: ignore[misc]  # a class without types
    """A `kafka.KafkaProducer` whose messages carry the trace; serializers run inside the span."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self.unbroken_attributes = client_attributes(self)

    send = wrap_send(kafka.KafkaProducer.send)


class KafkaConsumer(TracedConsumerMixin, kafka.KafkaConsumer):  # type: ignore[misc]  # a class without types
    """A `kafka.KafkaConsumer` whose group, client id and server are on the spans of its records."""

    def __init__(self, *topics: str, **configs: Any) -> None:
        super().__init__(*topics, **configs)
        self.unbroken_attributes = client_attributes(self)
