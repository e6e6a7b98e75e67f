"""kafka-python: how its records are read, and drop-in classes for its producer and consumer.

    from unbroken.clients.kafka_python import KafkaConsumer, KafkaProducer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per `send`, which ends when the future that `send` returned is done: with partition and offset,
or with the error; callbacks and errbacks are the application's own. A consumer knows its group, client id and server:
`consumer.process(record)` is `process(record, consumer)`, for the records of the iterator and of `poll`.

The client gives a null header as `None` and refuses to send one (TypeError). So that no dead-letter publish is lost,
`forward` returns an empty value in its place.
"""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unbroken.errors import required

with required("kafka-python", "kafka"):
    import kafka
    from kafka.consumer.fetcher import ConsumerRecord

from unbroken.clients.kafka_facts import TracedConsumerMixin, TracedProducerMixin, record_type, sent
from unbroken.messaging import semconv
from unbroken.messaging.message import register
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import Fields, PairsCarrier
from unbroken.propagation.context import attached

__all__ = ["KafkaConsumer", "KafkaProducer"]


class _Headers(PairsCarrier):
    """Headers as the client gives them, and written as it takes them: a list, an empty value for a null."""

    def replaced(self, headers: Any, fields: Fields, names: frozenset[str | bytes]) -> Any:
        written = super().replaced(headers, fields, names)
        return [(name, b"" if value is None else value) for name, value in written]


def client_attributes(client: object) -> Attributes:
    config: dict[str, Any] = getattr(client, "config", {})
    return semconv.client(config.get("client_id"), config.get("group_id"), config.get("bootstrap_servers"))


register(ConsumerRecord, record_type(_Headers(), client_attributes))


class KafkaProducer(TracedProducerMixin, kafka.KafkaProducer):  # type: ignore[misc]  # a class without types
    """A `kafka.KafkaProducer` whose messages carry the trace; serializers run inside the span."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self.unbroken_attributes = client_attributes(self)

    def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Any:
        """Send one message, as the client does; its span ends when the future that is returned is done."""
        sending = self.unbroken_start_send(topic, key, value, partition, headers)
        return deliver(sending, self, super().send, topic, value, key, partition, timestamp_ms)


def deliver(
    sending: Sending,
    producer: Any,
    send: Callable[..., Any],
    topic: str,
    value: Any,
    key: Any,
    partition: int | None,
    timestamp_ms: int | None,
) -> Any:
    """Send one message with the client's own `send` and return its future; serializers run inside the span."""
    try:
        if (inside := sending.context) is None:
            return send(topic, value, key, sending.headers, partition, timestamp_ms)
        with attached(inside):
            future = send(topic, value, key, sending.headers, partition, timestamp_ms)
    except BaseException as error:
        sending.end(error)
        raise
    if sending.is_observed:
        future.add_callback(_succeed, sending, producer.config["acks"] != 0)  # the client tells offset 0 then
        future.add_errback(sending.end)
    return future


class KafkaConsumer(TracedConsumerMixin, kafka.KafkaConsumer):  # type: ignore[misc]  # a class without types
    """A `kafka.KafkaConsumer` whose group, client id and server are on the spans of its records."""

    def __init__(self, *topics: str, **configs: Any) -> None:
        super().__init__(*topics, **configs)
        self.unbroken_attributes = client_attributes(self)


def _succeed(sending: Sending, acknowledged: bool, metadata: Any) -> None:
    try:
        sending.end(attributes=sent(metadata, acknowledged))
    except Exception as failure:
        log_internal_error("the end of a send", failure)
