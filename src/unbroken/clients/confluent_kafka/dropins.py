"""confluent-kafka: drop-in classes, and what they share with zero code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError, cimpl

# The C classes by the module that makes them: under these names in the package others may have put their own.
from confluent_kafka.cimpl import Consumer as NativeConsumer
from confluent_kafka.cimpl import Producer as NativeProducer

from unbroken.clients.confluent_kafka.configuration import client_attributes, error_of, read_configuration
from unbroken.clients.kafka.attributes import placed_attributes
from unbroken.clients.kafka.consumers import TracedConsumerMixin
from unbroken.clients.kafka.producers import TracedProducerMixin
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.context import attached

Report = Callable[[KafkaError | None, Any], None]
"""A delivery callback."""


class DeliveryReport:
    """The delivery callback of one message: ends its span, then calls the user's."""

    __slots__ = ("_callback", "_only_errors", "_sending")

    def __init__(self, sending: Sending, callback: Report | None, only_errors: bool = False) -> None:
        self._sending = sending
        self._callback = callback
        self._only_errors = only_errors

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        """End the span and call the user's callback."""
        sending, callback = self._sending, self._callback
        try:
            if error is not None:
                sending.end(error.name())
            else:
                sending.end(None, placed_attributes(message.partition(), message.offset()))
        except Exception as failure:
            log_internal_error("a delivery report", failure)
        if callback is None or (self._only_errors and error is None):
            return
        if (inside := sending.context) is None:
            callback(error, message)
        else:
            with attached(inside):
                callback(error, message)


def call_constructor(init: Callable[..., None], args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Call the client's constructor; to one in C an empty mapping of names is a configuration."""
    if named:
        init(*args, **named)
    else:
        init(*args)


class ReportingProducerMixin(TracedProducerMixin):
    """The producer side, over the client's producer classes with delivery reports."""

    # What holds for a subclass that does not call our constructor.
    _unbroken_callback: Report | None = None
    _unbroken_only_errors: bool = False
    _unbroken_batch_warned = False
    _unbroken_is_traced_above = False
    """Whether `produce` is called by a subclass's own, which has traced the message."""

    def __init__(self, *args: Any, **named: Any) -> None:
        args, named = self.unbroken_configured(args, named)
        call_constructor(super().__init__, args, named)

    def unbroken_configured(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """Remember what the constructor was given and return the arguments for the client's own."""
        config = read_configuration(args, named)
        self.unbroken_attributes = client_attributes(config)
        # The client filters its reports itself, with no way to see a success: we take this setting over.
        only_errors = str(config.pop("delivery.report.only.error", False)).lower() in ("true", "1", "t")
        self._unbroken_only_errors = only_errors
        self._unbroken_callback = config.get("on_delivery")
        return ((config, *args[1:]), {}) if only_errors else (args, named)

    def unbroken_report(self, sending: Sending, callback: Report | None) -> Report | None:
        """Return the delivery callback of one message, around the user's."""
        if sending.is_observed or self._unbroken_only_errors:
            return DeliveryReport(
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


class Producer(ReportingProducerMixin, NativeProducer):
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
        callback = callback if callback is not None else on_delivery
        if self._unbroken_is_traced_above:
            super().produce(topic, value, key, partition, callback, None, timestamp, headers)
            return
        sending = self.unbroken_start_send(topic, key, value, partition, headers)
        report = self.unbroken_report(sending, callback)
        try:
            super().produce(topic, value, key, partition, report, None, timestamp, sending.headers)
        except BaseException as error:
            sending.end(error_of(error))
            raise


class SerializingProducer(confluent_kafka.SerializingProducer, Producer):
    """A `confluent_kafka.SerializingProducer` whose messages carry the trace; serializers run inside the span."""

    _unbroken_is_traced_above = True

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
    reporting: ReportingProducerMixin,
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
        sending.end(error_of(error))
        raise


class ConfiguredConsumerMixin(TracedConsumerMixin):
    """The consumer side, over any of the client's consumer classes."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self.unbroken_attributes = client_attributes(read_configuration(args, named))
        call_constructor(super().__init__, args, named)


class Consumer(ConfiguredConsumerMixin, NativeConsumer):
    """A `confluent_kafka.Consumer` whose group, client id and server are on the spans of its messages."""


class DeserializingConsumer(confluent_kafka.DeserializingConsumer, Consumer):
    """A `confluent_kafka.DeserializingConsumer` whose group, client id and server are on the spans of its messages."""


class ShareConsumer(ConfiguredConsumerMixin, getattr(cimpl, "ShareConsumer", object)):  # type: ignore[misc]
    """A `confluent_kafka.ShareConsumer` whose group, client id and server are on the spans of its messages."""
