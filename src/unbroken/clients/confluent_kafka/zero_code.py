"""confluent-kafka without a change in the application: what stands in place of its names.

`Producer`, `Consumer` and `ShareConsumer` are C types, whose methods cannot be replaced: their names are, in every
module of the package, by subclasses of ours, and with them the names of the classes in Python that inherit from them.
The methods of those classes are replaced too, which holds for names imported before and for subclasses.
"""

# The client's classes are private here and there, and what stands in for a method takes any arguments.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from threading import get_ident
from typing import Any

import confluent_kafka
from confluent_kafka import cimpl
from opentelemetry.trace import INVALID_SPAN

from unbroken.clients import early_imports
from unbroken.clients.confluent_kafka import dropins as ours
from unbroken.clients.confluent_kafka.configuration import client_attributes, read_configuration
from unbroken.clients.confluent_kafka.dropins import ReportingProducerMixin, serialize
from unbroken.clients.kafka.attributes import HasClientAttributes
from unbroken.clients.kafka.producers import TracedProducerMixin
from unbroken.clients.kafka.zero_code import STATE, Consumers, ConsumerState, Method
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.send import Sending

CONSUMERS = Consumers(lambda _: {})  # a plain one tells nothing
_INERT = ConsumerState(PollSwitch(), {})
"""Of a consumer inside another one: never switched on."""


def _wrap_consume(method: Method) -> Method:
    """Return a `consume` that traces what it gives; the one message of a call that asks for one is current."""

    @functools.wraps(method)
    def consume(consumer: Any, num_messages: int = 1, timeout: float = -1) -> Any:
        state = CONSUMERS.call(consumer)
        started = time.time_ns()
        messages = method(consumer, num_messages, timeout)
        return state.hand_out(messages, one=num_messages == 1, started=started)

    return consume


def _wrap_share_poll(method: Method) -> Method:
    """Return a `poll` of a share consumer, which gives several messages."""

    @functools.wraps(method)
    def poll(consumer: Any, timeout: float = -1) -> Any:
        state = CONSUMERS.state_of(consumer)
        thread = get_ident()
        if state.thread == thread:  # called by the `poll` of a subclass, which is traced
            return method(consumer, timeout)
        state.polled.leave()
        started = time.time_ns()
        state.thread = thread
        try:
            messages = method(consumer, timeout)
        finally:
            state.thread = None
        return state.hand_out(messages, one=False, started=started)

    return poll


def _wrap_async_consume(method: Method) -> Method:
    """Return the `consume` of an `AIOConsumer`."""

    @functools.wraps(method)
    async def consume(consumer: Any, num_messages: int = 1, timeout: float = -1) -> Any:
        state = CONSUMERS.call(consumer)
        started = time.time_ns()
        messages = await method(consumer, num_messages, timeout)
        return state.hand_out(messages, one=num_messages == 1, started=started)

    return consume


_poll = cimpl.Consumer.poll


class Producer(ours.Producer):
    """The `confluent_kafka.Producer` of an instrumented application."""

    def unbroken_start_send(
        self, topic: str, key: object, value: object, partition: int | None, headers: Any
    ) -> Sending:
        """Start to send one record; as it is, when the client is no longer instrumented."""
        if CONSUMERS.switch.is_on:
            return super().unbroken_start_send(topic, key, value, partition, headers)
        return Sending(headers, None, INVALID_SPAN)


class Consumer(ours.Consumer):
    """The `confluent_kafka.Consumer` of an instrumented application."""

    unbroken_state: ConsumerState

    def poll(self, timeout: float = -1) -> Any:
        """Return a message or None, as the client does; the message is current until the next call."""
        # What `CONSUMERS.wrap_poll` would give, written out where every message passes: 0.4 µs less.
        try:
            state: ConsumerState = self.unbroken_state
        except AttributeError:
            state = CONSUMERS.state_of(self)
        if state.thread is not None and state.thread == get_ident():  # called by the `poll` of a subclass
            return _poll(self, timeout)
        polled = state.polled
        polled.leave()
        message = _poll(self, timeout)
        if message is not None:
            polled.enter(message)
        return message

    consume = _wrap_consume(cimpl.Consumer.consume)
    close = CONSUMERS.wrap_close(cimpl.Consumer.close)

    if hasattr(cimpl.Consumer, "__exit__"):  # newer versions
        __exit__ = CONSUMERS.wrap_close(cimpl.Consumer.__exit__)


class SerializingProducer(ours.SerializingProducer, Producer):  # pyright: ignore[reportIncompatibleMethodOverride]
    """The `confluent_kafka.SerializingProducer` of an instrumented application."""


class DeserializingConsumer(ours.DeserializingConsumer, Consumer):
    """The `confluent_kafka.DeserializingConsumer` of an instrumented application."""


_REPLACEMENTS: dict[str, tuple[type, type]] = {
    "Producer": (cimpl.Producer, Producer),
    "Consumer": (cimpl.Consumer, Consumer),
    "SerializingProducer": (confluent_kafka.SerializingProducer, SerializingProducer),
    "DeserializingConsumer": (confluent_kafka.DeserializingConsumer, DeserializingConsumer),
}
"""By its name each class of the client, and what stands in its place."""

if hasattr(cimpl, "ShareConsumer"):

    class ShareConsumer(ours.ShareConsumer):
        """The `confluent_kafka.ShareConsumer` of an instrumented application."""

        poll = _wrap_share_poll(cimpl.ShareConsumer.poll)
        close = CONSUMERS.wrap_close(cimpl.ShareConsumer.close)
        __exit__ = CONSUMERS.wrap_close(cimpl.ShareConsumer.__exit__)

    _REPLACEMENTS["ShareConsumer"] = (cimpl.ShareConsumer, ShareConsumer)

    if hasattr(confluent_kafka, "DeserializingShareConsumer"):

        class DeserializingShareConsumer(confluent_kafka.DeserializingShareConsumer, ShareConsumer):
            """The `confluent_kafka.DeserializingShareConsumer` of an instrumented application."""

        _REPLACEMENTS["DeserializingShareConsumer"] = (
            confluent_kafka.DeserializingShareConsumer,
            DeserializingShareConsumer,
        )

NATIVE: dict[str, type] = {name: native for name, (native, _) in _REPLACEMENTS.items() if hasattr(cimpl, name)}
"""The C types, whose names must not have been imported before."""


def patches() -> list[Patch]:
    """Return the names to replace in the modules of the package that are loaded now, and the methods."""
    return [*_names(), *_methods, *_aio_methods()]


def _names() -> Iterator[Patch]:
    for path, module in list(sys.modules.items()):
        if path.partition(".")[0] == "confluent_kafka":
            for name, (own, _) in _REPLACEMENTS.items():
                # Not where a class in Python is made: it calls `super` by its own name there.
                if getattr(module, name, None) is own and own.__module__ != path:
                    yield Patch(module, name, functools.partial(_replacement, name))


def _replacement(name: str, _: object) -> type:
    return _REPLACEMENTS[name][1]


def _wrap_consumer_init(init: Method) -> Method:
    """Return the constructor of a consumer, whose configuration goes on the spans."""

    @functools.wraps(init)
    def construct(consumer: Any, *args: Any, **named: Any) -> None:
        init(consumer, *args, **named)
        attributes = client_attributes(read_configuration(args, named))
        if isinstance(consumer, HasClientAttributes):
            consumer.unbroken_attributes = attributes
        setattr(consumer, STATE, ConsumerState(CONSUMERS.switch, attributes))

    return construct


def _wrap_producer_init(init: Method) -> Method:
    """Return the constructor of a `SerializingProducer`, whose delivery reports end the spans."""

    @functools.wraps(init)
    def construct(producer: Any, *args: Any, **named: Any) -> None:
        if not isinstance(producer, TracedProducerMixin):
            reporting = ReportingProducerMixin.__new__(ReportingProducerMixin)  # without the client's part
            args, named = reporting.unbroken_configured(args, named)
            setattr(producer, _REPORTING, reporting)
        init(producer, *args, **named)

    return construct


def _wrap_serializing_produce(produce: Method) -> Method:
    """Return the `produce` of a `SerializingProducer`."""

    @functools.wraps(produce)
    def send(
        producer: Any,
        topic: str,
        key: Any = None,
        value: Any = None,
        partition: int = -1,
        on_delivery: Any = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        reporting = getattr(producer, _REPORTING, None)
        if reporting is None:  # ours, which traces itself; or made before, with callbacks that we do not know
            produce(producer, topic, key, value, partition, on_delivery, timestamp, headers)
        else:
            own = functools.partial(produce, producer)
            serialize(reporting, own, topic, key, value, partition, on_delivery, timestamp, headers)

    return send


_REPORTING = "unbroken_reporting"

_methods = [
    Patch(confluent_kafka.SerializingProducer, "__init__", _wrap_producer_init),
    Patch(confluent_kafka.SerializingProducer, "produce", _wrap_serializing_produce),
    Patch(confluent_kafka.DeserializingConsumer, "__init__", _wrap_consumer_init),
    Patch(confluent_kafka.DeserializingConsumer, "poll", CONSUMERS.wrap_poll),
    Patch(confluent_kafka.DeserializingConsumer, "close", CONSUMERS.wrap_close),
]

if hasattr(confluent_kafka.DeserializingConsumer, "__exit__"):
    _methods.append(Patch(confluent_kafka.DeserializingConsumer, "__exit__", CONSUMERS.wrap_close))

if hasattr(confluent_kafka, "DeserializingShareConsumer"):
    _methods.extend(
        [
            Patch(confluent_kafka.DeserializingShareConsumer, "__init__", _wrap_consumer_init),
            Patch(confluent_kafka.DeserializingShareConsumer, "poll", _wrap_share_poll),
            Patch(confluent_kafka.DeserializingShareConsumer, "close", CONSUMERS.wrap_close),
            Patch(confluent_kafka.DeserializingShareConsumer, "__exit__", CONSUMERS.wrap_close),
        ]
    )


def _wrap_async_consumer_init(init: Method) -> Method:
    """Return the constructor of an `AIOConsumer`, which polls another consumer in a thread: that one is left alone."""

    @functools.wraps(init)
    def construct(consumer: Any, *args: Any, **named: Any) -> None:
        init(consumer, *args, **named)
        setattr(consumer, STATE, ConsumerState(CONSUMERS.switch, client_attributes(read_configuration(args, named))))
        if isinstance(consumer._consumer, Consumer):  # noqa: SLF001 - what an AIOConsumer polls
            setattr(consumer._consumer, STATE, _INERT)  # noqa: SLF001

    return construct


def _aio_methods() -> list[Patch]:
    if find_spec("confluent_kafka.aio") is None:
        return []
    from confluent_kafka import aio

    from unbroken.clients.confluent_kafka.aio import SendsWithHeaders, has_native_producer

    def wrap_init(init: Method) -> Method:
        """Return the constructor of an `AIOProducer`."""

        @functools.wraps(init)
        def construct(producer: Any, producer_conf: Any, *args: Any, **named: Any) -> None:
            if not hasattr(producer, "unbroken_sends"):
                producer.unbroken_sends = SendsWithHeaders(producer_conf)
            init(producer, producer_conf, *args, **named)

        return construct

    def wrap_produce(method: Method) -> Method:
        """Return the `produce` of an `AIOProducer`: each message with its headers, not in a batch without them."""

        @functools.wraps(method)
        async def send(producer: Any, topic: str, value: Any = None, key: Any = None, *args: Any, **named: Any) -> Any:
            found: SendsWithHeaders | None = getattr(producer, "unbroken_sends", None)
            if found is None or not has_native_producer(producer):  # made before, or for a test
                return await method(producer, topic, value, key, *args, **named)
            return await found.produce(producer, topic, value, key, *args, **named)

        return send

    return [
        Patch(aio.AIOProducer, "__init__", wrap_init),
        Patch(aio.AIOProducer, "produce", wrap_produce),
        Patch(aio.AIOConsumer, "__init__", _wrap_async_consumer_init),
        Patch(aio.AIOConsumer, "poll", CONSUMERS.wrap_async_poll),
        Patch(aio.AIOConsumer, "consume", _wrap_async_consume),
        Patch(aio.AIOConsumer, "close", CONSUMERS.wrap_close),
    ]


def _warn() -> None:
    early_imports.warn("confluent_kafka", NATIVE, {own for own, _ in _REPLACEMENTS.values()})


ZERO_CODE = ZeroCode(patches, CONSUMERS.switch, _warn)
