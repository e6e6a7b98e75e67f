"""quixstreams: a drop-in `Application` whose messages carry the trace.

    from unbroken.frameworks.quixstreams import Application

A subclass of the framework's class of the same name. The process span of a message is current in every function of the
`StreamingDataFrame`, in `on_processing_error` and in `on_message_processed`, and ends when the framework is done with
it; a message that cannot be deserialized has its span in `on_consumer_error`.

`to_topic`, sources and `get_producer()` make one PRODUCER span per message, which ends in the delivery report.
Changelog topics are left alone: they hold the state of the application, not messages.

A `Row`, which is what `on_processing_error` is given, is a message: `forward(row, error=error)` are the headers of its
dead letter. `records(batch)` gives the messages of a `SinkBatch`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from logging import Logger
from types import TracebackType
from typing import Any

from unbroken.errors import required

with required("quixstreams"):
    import quixstreams
    from quixstreams.error_callbacks import default_on_consumer_error, default_on_processing_error
    from quixstreams.internal_consumer import InternalConsumer
    from quixstreams.kafka import Producer as QuixProducer
    from quixstreams.kafka.producer import PRODUCER_ON_ERROR_RETRIES, PRODUCER_POLL_TIMEOUT
    from quixstreams.models import Row

from unbroken.clients.confluent_kafka.configuration import error_of
from unbroken.clients.confluent_kafka.dropins import DeliveryReport, Report
from unbroken.clients.kafka.attributes import client_attributes
from unbroken.clients.kafka.consumers import TracedConsumerMixin
from unbroken.clients.kafka.producers import TracedProducerMixin
from unbroken.clients.kafka.records import record_type
from unbroken.messaging.message import register
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import PAIRS

__all__ = ["Application", "Producer", "SinkRecord", "records"]

ErrorCallback = Callable[[Exception, Any, Logger], bool]
"""What the framework calls with an error and its `Row` or message; True lets the application go on."""

_HOOKS = ("_process_message", "_get_internal_consumer", "_get_internal_producer")
"""What we override of the framework's class, and it may rename: nothing public stands around a message's whole way."""

_CHANGELOG_HEADER = "__column_family__"
"""What each record of a changelog topic carries, and no other."""


@dataclass(frozen=True, slots=True)
class SinkRecord:
    """One message of a `SinkBatch`; the timestamp is in milliseconds, as the framework has it."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any
    headers: Any
    timestamp: int


for _kind in (Row, SinkRecord):
    register(_kind, record_type(PAIRS))


def records(batch: Any) -> list[SinkRecord]:
    """Return the messages of a `SinkBatch`, for `receive` around all of them and `process` around each.

    def write(self, batch):
        messages = records(batch)
        with receive(messages):
            for message in messages:
                with process(message):
                    insert(message.value)
    """
    items: Iterable[Any] = batch
    return [
        SinkRecord(batch.topic, batch.partition, item.offset, item.key, item.value, item.headers, item.timestamp)
        for item in items
    ]


class Application(quixstreams.Application):
    """A `quixstreams.Application` whose messages carry the trace; it takes the same arguments."""

    def __init__(
        self,
        *args: Any,
        on_consumer_error: ErrorCallback | None = None,
        on_processing_error: ErrorCallback | None = None,
        **named: Any,
    ) -> None:
        self._unbroken_handling = Handling()
        super().__init__(
            *args,
            on_consumer_error=functools.partial(
                self._unbroken_unreadable, on_consumer_error or default_on_consumer_error
            ),
            on_processing_error=functools.partial(
                self._unbroken_failed, on_processing_error or default_on_processing_error
            ),
            **named,
        )

    def get_producer(self, *args: Any, **named: Any) -> Producer:
        """Return a producer, as the framework does, whose messages carry the trace."""
        return self._unbroken_producer(super().get_producer(*args, **named))

    def _process_message(self, *args: Any, **named: Any) -> None:
        # The framework polls for the message inside: `poll_row` of the consumer puts it into this block.
        with Handling() as handling:
            self._unbroken_handling = self._consumer.unbroken_handling = handling
            super()._process_message(*args, **named)

    def _get_internal_consumer(self, *args: Any, **named: Any) -> Any:
        consumer = super()._get_internal_consumer(*args, **named)
        # Made by the framework, whose arguments for it differ between its versions; its callbacks are bound to it.
        consumer.__class__ = _Consumer
        consumer.unbroken_handling = Handling()
        config = self.config
        consumer.unbroken_attributes = client_attributes(
            config.consumer_extra_config.get("client.id"),
            config.consumer_group,
            config.broker_address.bootstrap_servers,
        )
        return consumer

    def _get_internal_producer(self, *args: Any, **named: Any) -> Any:
        producer = super()._get_internal_producer(*args, **named)
        self._unbroken_producer(producer._producer)  # noqa: SLF001 - there is no other way to it
        return producer

    def _unbroken_producer(self, producer: Any) -> Producer:
        producer.__class__ = Producer  # as for the consumer
        config = self.config
        producer.unbroken_attributes = client_attributes(
            config.producer_extra_config.get("client.id"), None, config.broker_address.bootstrap_servers
        )
        traced: Producer = producer
        return traced

    def _unbroken_failed(self, callback: ErrorCallback, error: Exception, row: Any, logger: Logger) -> bool:
        self._unbroken_handling.error = error
        return callback(error, row, logger)

    def _unbroken_unreadable(self, callback: ErrorCallback, error: Exception, message: Any, logger: Logger) -> bool:
        """Call the callback for a message that cannot be deserialized inside its process span; for None without."""
        with Handling() as handling:
            if message is not None:
                handling.begin(message, self._consumer)
                handling.error = error
            return callback(error, message, logger)


class Producer(TracedProducerMixin, QuixProducer):
    """A producer of quixstreams whose messages carry the trace; the span of one ends in its delivery report."""

    def produce(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        headers: Any = None,
        partition: int | None = None,
        timestamp: int | None = None,
        poll_timeout: float = PRODUCER_POLL_TIMEOUT,
        buffer_error_max_tries: int = PRODUCER_ON_ERROR_RETRIES,
        on_delivery: Report | None = None,
    ) -> None:
        """Produce one message, as the framework does; a full buffer is waited for inside the span."""
        rest = (partition, timestamp, poll_timeout, buffer_error_max_tries)
        if isinstance(headers, dict) and _CHANGELOG_HEADER in headers:
            super().produce(topic, value, key, headers, *rest, on_delivery)
            return
        sending = self.unbroken_start_send(topic, key, value, partition, headers)
        report = DeliveryReport(sending, on_delivery) if sending.is_observed else on_delivery
        try:
            super().produce(topic, value, key, sending.headers, *rest, report)
        except BaseException as error:
            sending.end(error_of(error))
            raise


class _Consumer(TracedConsumerMixin, InternalConsumer):
    """The consumer of an application: the message that it polls is the one that is being handled."""

    unbroken_handling: Handling

    def poll_row(self, *args: Any, **named: Any) -> Any:
        rows = super().poll_row(*args, **named)
        first = rows[0] if isinstance(rows, list) and rows else rows
        if isinstance(first, Row):
            self.unbroken_handling.begin(first, self)
        return rows


class Handling:
    """The block in which the framework takes one message and handles it, if there is one.

    Attributes:
        error: what the framework gave to an error callback; the message has failed, also when the callback says that
            the application goes on.
    """

    __slots__ = ("_scope", "error")

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._scope: MessageScope | None = None

    def begin(self, message: object, consumer: object) -> None:
        """Make the span of the message current for the rest of the block. Never raises."""
        try:
            scope = MessageScope(message, consumer)
            scope.open()
            self._scope = scope
        except Exception as failure:
            log_internal_error("process", failure)

    def __enter__(self) -> Handling:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.close(self.error if error is None else error)


_missing = [name for name in _HOOKS if not hasattr(quixstreams.Application, name)]
if _missing:
    _text = f"quixstreams {quixstreams.__version__} has no {', '.join(_missing)}: messages are not traced"
    warnings.warn(_text, RuntimeWarning, stacklevel=2)
