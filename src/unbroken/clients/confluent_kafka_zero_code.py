"""confluent-kafka without a change in the application: what stands in place of its names.

`Producer`, `Consumer` and `ShareConsumer` are C types, whose methods cannot be replaced: their names are, in every
module of the package, by subclasses of ours. The classes in Python keep their names; their methods are replaced, which
also holds for names imported before and for subclasses.
"""

# The client's classes are private here and there, and what stands in for a method takes any arguments.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import confluent_kafka
from confluent_kafka import cimpl
from opentelemetry.trace import INVALID_SPAN

from unbroken.clients import confluent_kafka as ours
from unbroken.clients import early_imports
from unbroken.clients.confluent_kafka import Reporting, client_attributes, configuration, serialize
from unbroken.clients.kafka_facts import TracedProducerMixin
from unbroken.clients.kafka_zero_code import STATE, Consumers, ConsumerState, Method
from unbroken.clients.patches import Patch, ZeroCode
from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.send import Sending

CONSUMERS = Consumers(lambda _: {})  # a plain one tells nothing
_INERT = ConsumerState(PollSwitch(), {})
"""Of a consumer inside another one: never switched on."""


def _batch(method: Method) -> Method:
    """Return a `consume` that traces what it gives; the one message of a call that asks for one is current."""

    @functools.wraps(method)
    def consume(consumer: Any, num_messages: int = 1, timeout: float = -1) -> Any:
        watched = CONSUMERS.watched(consumer)
        watched.called()
        started = time.time_ns()
        messages = method(consumer, num_messages, timeout)
        return watched.gave(messages, one=num_messages == 1, started=started)

    return consume


def _share(method: Method) -> Method:
    """Return a `poll` of a share consumer, which gives several messages."""

    @functools.wraps(method)
    def poll(consumer: Any, timeout: float = -1) -> Any:
        watched = CONSUMERS.watched(consumer)
        watched.called()
        started = time.time_ns()
        messages = method(consumer, timeout)
        return watched.gave(messages, one=False, started=started)

    return poll


def _batch_later(method: Method) -> Method:
    """Return the `consume` of an `AIOConsumer`."""

    @functools.wraps(method)
    async def consume(consumer: Any, num_messages: int = 1, timeout: float = -1) -> Any:
        watched = CONSUMERS.watched(consumer)
        watched.called()
        started = time.time_ns()
        messages = await method(consumer, num_messages, timeout)
        return watched.gave(messages, one=num_messages == 1, started=started)

    return consume


_poll = cimpl.Consumer.poll


class Producer(ours.Producer):
    """The `confluent_kafka.Producer` of an instrumented application."""

    def unbroken_start_send(
        self, topic: str, key: object, value: object, partition: int | None, headers: Any
    ) -> Sending:
        """Start to send one record; as it is, when the client is no longer instrumented."""
        if CONSUMERS.polling.is_on:
            return super().unbroken_start_send(topic, key, value, partition, headers)
        return Sending(headers, None, INVALID_SPAN)


class Consumer(ours.Consumer):
    """The `confluent_kafka.Consumer` of an instrumented application."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.unbroken_state = ConsumerState(CONSUMERS.polling, self.unbroken_attributes)

    def poll(self, timeout: float = -1) -> Any:
        """Return a message or None, as the client does; the message is current until the next call."""
        # What `CONSUMERS.wrap_poll` would give, written out where every message passes: 0.4 µs less.
        polled = self.unbroken_state.polled
        polled.leave()
        message = _poll(self, timeout)
        if message is not None:
            polled.enter(message)
        return message

    consume = _batch(cimpl.Consumer.consume)
    close = CONSUMERS.wrap_close(cimpl.Consumer.close)

    if hasattr(cimpl.Consumer, "__exit__"):  # newer versions
        __exit__ = CONSUMERS.wrap_close(cimpl.Consumer.__exit__)


_REPLACEMENTS: dict[str, type] = {"Producer": Producer, "Consumer": Consumer}

if hasattr(cimpl, "ShareConsumer"):

    class ShareConsumer(ours.ShareConsumer):
        """The `confluent_kafka.ShareConsumer` of an instrumented application."""

        poll = _share(cimpl.ShareConsumer.poll)
        close = CONSUMERS.wrap_close(cimpl.ShareConsumer.close)
        __exit__ = CONSUMERS.wrap_close(cimpl.ShareConsumer.__exit__)

    _REPLACEMENTS["ShareConsumer"] = ShareConsumer

NATIVE: dict[str, type] = {name: getattr(cimpl, name) for name in _REPLACEMENTS}
"""The C types, whose names must not have been imported before."""


def patches() -> list[Patch]:
    """Return the names to replace in the modules of the package that are loaded now, and the methods."""
    return [*_names(), *_methods, *_aio_methods()]


def _names() -> Iterator[Patch]:
    for path, module in list(sys.modules.items()):
        if path.partition(".")[0] == "confluent_kafka":
            for name, native in NATIVE.items():
                if getattr(module, name, None) is native:
                    yield Patch(module, name, functools.partial(_replacement, name))


def _replacement(name: str, _: object) -> type:
    return _REPLACEMENTS[name]


def _watching(init: Method) -> Method:
    """Return the constructor of a consumer, whose configuration goes on the spans."""

    @functools.wraps(init)
    def construct(consumer: Any, *args: Any, **named: Any) -> None:
        init(consumer, *args, **named)
        setattr(consumer, STATE, ConsumerState(CONSUMERS.polling, client_attributes(configuration(args, named))))

    return construct


def _reporting(init: Method) -> Method:
    """Return the constructor of a `SerializingProducer`, whose delivery reports end the spans."""

    @functools.wraps(init)
    def construct(producer: Any, *args: Any, **named: Any) -> None:
        if not isinstance(producer, TracedProducerMixin):
            reporting = Reporting.__new__(Reporting)  # without the client's part
            args, named = reporting.unbroken_configured(args, named)
            setattr(producer, _REPORTING, reporting)
        init(producer, *args, **named)

    return construct


def _serializing(produce: Method) -> Method:
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
    Patch(confluent_kafka.SerializingProducer, "__init__", _reporting),
    Patch(confluent_kafka.SerializingProducer, "produce", _serializing),
    Patch(confluent_kafka.DeserializingConsumer, "__init__", _watching),
    Patch(confluent_kafka.DeserializingConsumer, "poll", CONSUMERS.wrap_poll),
    Patch(confluent_kafka.DeserializingConsumer, "close", CONSUMERS.wrap_close),
]

if hasattr(confluent_kafka.DeserializingConsumer, "__exit__"):
    _methods.append(Patch(confluent_kafka.DeserializingConsumer, "__exit__", CONSUMERS.wrap_close))

if hasattr(confluent_kafka, "DeserializingShareConsumer"):
    _methods.extend(
        [
            Patch(confluent_kafka.DeserializingShareConsumer, "__init__", _watching),
            Patch(confluent_kafka.DeserializingShareConsumer, "poll", _share),
            Patch(confluent_kafka.DeserializingShareConsumer, "close", CONSUMERS.wrap_close),
            Patch(confluent_kafka.DeserializingShareConsumer, "__exit__", CONSUMERS.wrap_close),
        ]
    )


def _watching_outside(init: Method) -> Method:
    """Return the constructor of an `AIOConsumer`, which polls another consumer in a thread: that one is left alone."""

    @functools.wraps(init)
    def construct(consumer: Any, *args: Any, **named: Any) -> None:
        init(consumer, *args, **named)
        setattr(consumer, STATE, ConsumerState(CONSUMERS.polling, client_attributes(configuration(args, named))))
        if isinstance(consumer._consumer, Consumer):  # noqa: SLF001 - what an AIOConsumer polls
            setattr(consumer._consumer, STATE, _INERT)  # noqa: SLF001

    return construct


def _aio_methods() -> list[Patch]:
    if find_spec("confluent_kafka.aio") is None:
        return []
    from confluent_kafka import aio

    from unbroken.clients.confluent_kafka_aio import Delivering

    def delivering(init: Method) -> Method:
        """Return the constructor of an `AIOProducer`."""

        @functools.wraps(init)
        def construct(producer: Any, producer_conf: Any, *args: Any, **named: Any) -> None:
            if not hasattr(producer, "unbroken_delivering"):
                producer.unbroken_delivering = Delivering(producer_conf)
            init(producer, producer_conf, *args, **named)

        return construct

    def produce(method: Method) -> Method:
        """Return the `produce` of an `AIOProducer`: each message with its headers, not in a batch without them."""

        @functools.wraps(method)
        async def send(producer: Any, topic: str, value: Any = None, key: Any = None, *args: Any, **named: Any) -> Any:
            found: Delivering | None = getattr(producer, "unbroken_delivering", None)
            if found is None:  # made before
                return await method(producer, topic, value, key, *args, **named)
            return await found.produce(producer, topic, value, key, *args, **named)

        return send

    return [
        Patch(aio.AIOProducer, "__init__", delivering),
        Patch(aio.AIOProducer, "produce", produce),
        Patch(aio.AIOConsumer, "__init__", _watching_outside),
        Patch(aio.AIOConsumer, "poll", CONSUMERS.wrap_async_poll),
        Patch(aio.AIOConsumer, "consume", _batch_later),
        Patch(aio.AIOConsumer, "close", CONSUMERS.wrap_close),
    ]


ZERO_CODE = ZeroCode(patches, CONSUMERS.polling, lambda: early_imports.warn("confluent_kafka", NATIVE))
