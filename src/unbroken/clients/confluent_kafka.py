"""confluent-kafka: how its messages are read, and drop-in classes for its producers and consumers.

    from unbroken.clients.confluent_kafka import Consumer, Producer

Each is a subclass of the client's class of the same name. A producer carries the current context in the headers and
makes one PRODUCER span per message, which ends in the delivery report with partition and offset, or the broker's error.
A consumer knows its group, client id and server: `consumer.process(message)` is `process(message, consumer)`.

`produce_batch` of the client drops all headers (confluent-kafka-python #2320): such messages carry no context, and the
first call says so with a RuntimeWarning.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from operator import methodcaller
from typing import Any, cast

from unbroken.errors import required

with required("confluent-kafka", "confluent_kafka"):
    import confluent_kafka
    from confluent_kafka import KafkaError, Message, cimpl

    # The C classes by the module that makes them: under these names in the package others may have put their own.
    from confluent_kafka.cimpl import Consumer as NativeConsumer
    from confluent_kafka.cimpl import Producer as NativeProducer

from unbroken.clients.kafka_facts import HasClientAttributes, TracedConsumerMixin, TracedProducerMixin
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import PAIRS
from unbroken.propagation.context import attached

__all__ = ["Consumer", "DeserializingConsumer", "Producer", "SerializingProducer", "ShareConsumer"]

Report = Callable[[KafkaError | None, Any], None]
"""A delivery callback."""


def _attributes(message: Any) -> Attributes:
    return semconv.kafka_process(
        message.topic(), message.partition(), message.offset(), message.key(), message.value() is None
    )


def _timestamp(message: Any) -> float | None:
    kind, milliseconds = message.timestamp()
    return milliseconds / 1000 if kind != confluent_kafka.TIMESTAMP_NOT_AVAILABLE else None


def _consumer_attributes(consumer: object) -> Attributes:
    """Return what a drop-in consumer knows; the client's own class tells nothing without asking the broker."""
    return consumer.unbroken_attributes if isinstance(consumer, HasClientAttributes) else {}


MESSAGE = MessageType(
    system="kafka",
    carrier=PAIRS,
    # By name, not `Message.headers`: a subclass may know better (the message of a test broker).
    headers=methodcaller("headers"),
    destination=methodcaller("topic"),
    attributes=_attributes,
    per_message_attributes=semconv.KAFKA_PER_MESSAGE,
    source=lambda message: f"{message.topic()}/{message.partition()}/{message.offset()}",
    timestamp=_timestamp,
    error=methodcaller("error"),
    consumer=_consumer_attributes,
)
register(Message, MESSAGE)


def configuration(args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration in the arguments of a client's constructor: a mapping, settings by name, or both."""
    settings: dict[str, Any] = dict(named)
    # Its classes in Python call the mapping `conf`, those of asyncio `consumer_conf`.
    given: list[Any] = [*args[:1], settings.pop("conf", None), settings.pop("consumer_conf", None)]
    config: dict[str, Any] = {}
    for mapping in given:
        if isinstance(mapping, Mapping):
            config.update(cast("Mapping[str, Any]", mapping))
    return {**config, **settings}


def client_attributes(config: Mapping[str, Any]) -> Attributes:
    """Return what a configuration tells about its client."""
    servers = config.get("bootstrap.servers") or config.get("metadata.broker.list")
    return semconv.client(config.get("client.id"), config.get("group.id"), servers)


def cause(error: BaseException) -> BaseException | str:
    """Return the broker's error code of a KafkaException, as a delivery report would tell it; of others themselves."""
    if isinstance(error, confluent_kafka.KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0].name()
    return error


class Reported:
    """The delivery callback of one message: ends its span, then calls the user's."""

    __slots__ = ("_callback", "_only_errors", "_sending")

    def __init__(self, sending: Sending, callback: Report | None, only_errors: bool = False) -> None:
        self._sending = sending
        self._callback = callback
        self._only_errors = only_errors

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        sending, callback = self._sending, self._callback
        try:
            if error is not None:
                sending.end(error.name())
            else:
                sending.end(None, {semconv.PARTITION: f"{message.partition()}", semconv.KAFKA_OFFSET: message.offset()})
        except Exception as failure:
            log_internal_error("a delivery report", failure)
        if callback is None or (self._only_errors and error is None):
            return
        if (inside := sending.context) is None:
            callback(error, message)
        else:
            with attached(inside):
                callback(error, message)


class Reporting(TracedProducerMixin):
    """The producer side, over the client's producer classes with delivery reports."""

    _unbroken_callback: Report | None
    _unbroken_only_errors: bool
    _unbroken_batch_warned = False

    def __init__(self, *args: Any, **named: Any) -> None:
        args, named = self.unbroken_configured(args, named)
        super().__init__(*args, **named)

    def unbroken_configured(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """Remember what the constructor was given and return the arguments for the client's own."""
        config = configuration(args, named)
        self.unbroken_attributes = client_attributes(config)
        # The client filters its reports itself, with no way to see a success: we take this setting over.
        only_errors = str(config.pop("delivery.report.only.error", False)).lower() in ("true", "1", "t")
        self._unbroken_only_errors = only_errors
        self._unbroken_callback = config.get("on_delivery")
        return ((config, *args[1:]), {}) if only_errors else (args, named)

    def unbroken_report(self, sending: Sending, callback: Report | None) -> Report | None:
        """Return the delivery callback of one message, around the user's."""
        if sending.is_observed or self._unbroken_only_errors:
            return Reported(
                sending, self._unbroken_callback if callback is None else callback, self._unbroken_only_errors
            )
        return callback

    def produce_batch(self, *args: Any, **named: Any) -> Any:
        """Send messages without context, as the client drops all headers here; use `produce` to keep the trace."""
        if not self._unbroken_batch_warned:
            self._unbroken_batch_warned = True
            text = "produce_batch() of confluent-kafka cannot carry headers: these messages have no trace context"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        return super().produce_batch(*args, **named)  # type: ignore[misc]


class Producer(Reporting, NativeProducer):
    """A `confluent_kafka.Producer` whose messages carry the trace."""

    def produce(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int = -1,
        callback: Report | None = None,
        on_delivery: Report | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Produce one message, as the client does; its span ends in the delivery report."""
        sending = self.unbroken_start_send(topic, key, value, partition, headers)
        report = self.unbroken_report(sending, callback if callback is not None else on_delivery)
        try:
            super().produce(topic, value, key, partition, report, None, timestamp, sending.headers)
        except BaseException as error:
            sending.end(cause(error))
            raise


class SerializingProducer(Reporting, confluent_kafka.SerializingProducer):
    """A `confluent_kafka.SerializingProducer` whose messages carry the trace; serializers run inside the span."""

    def produce(  # type: ignore[override]
        self,
        topic: str,
        key: Any = None,
        value: Any = None,
        partition: int = -1,
        on_delivery: Report | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Serialize and produce one message, as the client does; its span ends in the delivery report."""
        serialize(self, super().produce, topic, key, value, partition, on_delivery, timestamp, headers)


def serialize(
    reporting: Reporting,
    produce: Callable[..., None],
    topic: str,
    key: Any,
    value: Any,
    partition: int,
    on_delivery: Report | None,
    timestamp: int,
    headers: Any,
) -> None:
    """Serialize and produce one message with the client's own `produce`; serializers run inside its span."""
    sending = reporting.unbroken_start_send(topic, key, value, partition, headers)
    report = reporting.unbroken_report(sending, on_delivery)
    try:
        if (inside := sending.context) is None:
            produce(topic, key, value, partition, report, timestamp, sending.headers)
        else:
            with attached(inside):
                produce(topic, key, value, partition, report, timestamp, sending.headers)
    except BaseException as error:
        sending.end(cause(error))
        raise


class Configured(TracedConsumerMixin):
    """The consumer side, over any of the client's consumer classes."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.unbroken_attributes = client_attributes(configuration(args, named))
        super().__init__(*args, **named)


class Consumer(Configured, NativeConsumer):
    """A `confluent_kafka.Consumer` whose group, client id and server are on the spans of its messages."""


class DeserializingConsumer(Configured, confluent_kafka.DeserializingConsumer):
    """A `confluent_kafka.DeserializingConsumer` whose group, client id and server are on the spans of its messages."""


class ShareConsumer(Configured, getattr(cimpl, "ShareConsumer", object)):  # type: ignore[misc]
    """A `confluent_kafka.ShareConsumer` whose group, client id and server are on the spans of its messages."""
