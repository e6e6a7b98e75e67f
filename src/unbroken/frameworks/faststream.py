"""FastStream: a middleware that puts each message into its own trace, for the brokers of Kafka and RabbitMQ.

    from unbroken.frameworks.faststream import instrument

    broker = instrument(KafkaBroker("localhost:9092"))    # or: KafkaBroker(..., middlewares=[UnbrokenMiddleware])

One CONSUMER span per message is current from before the message is parsed until what its handler returns is published;
one PRODUCER span per publish, which ends when the broker has confirmed. A batch has one CLIENT span around its handler,
linked to every record; `process` puts each record into its own trace:

    @broker.subscriber("orders", batch=True)
    async def ship(orders: list[Order], records: Records) -> None:
        for order, record in zip(orders, records):
            with process(record):
                ...

FastStream reads every header of a Kafka record as text, before any middleware, and gives a record with another header
to no handler. With this middleware such a record is read without that header.
"""

# What FastStream gives has another type for each broker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, TypeVar

from opentelemetry.context import Context

from unbroken.errors import required

with required("faststream"):
    import faststream
    from faststream.exceptions import IgnoredException

from unbroken.clients.kafka.attributes import HasClientAttributes, client_attributes, send_attributes
from unbroken.clients.kafka.producers import DeliveryCallback, placed_by
from unbroken.clients.rabbitmq.attributes import publish_attributes
from unbroken.clients.rabbitmq.publishing import start_publish
from unbroken.errors import UnknownMessage
from unbroken.messaging import forward as forwarding
from unbroken.messaging import semconv
from unbroken.messaging.receive import receive
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error, warn_once
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attach, attached, current, detach, is_suppressed

__all__ = ["Records", "UnbrokenMiddleware", "forward", "instrument"]

Records = Annotated[tuple[Any, ...], faststream.Context("message.raw_message")]
"""The records of a batch as their client gave them, in the order of the bodies: an argument of a batch handler."""

_Handling = tuple[object, "asyncio.Task[Any] | None"]

_handling: ContextVar[_Handling | None] = ContextVar("unbroken-faststream-handling", default=None)
"""The subscriber whose handler runs, and the task that it runs in."""

_Broker = TypeVar("_Broker")


def instrument(broker: _Broker) -> _Broker:
    """Put the middleware around the others of a broker or a router, which is returned; twice is once."""
    given: Any = broker
    if UnbrokenMiddleware not in given.middlewares:
        given.insert_middleware(UnbrokenMiddleware)
    return broker


@dataclass(slots=True)
class _Publishing:
    """A command that is being published: a middleware of the broker and of its router is one.

    Attributes:
        command: the command.
        failure: what a handler has raised inside: a broker in memory runs it there.
    """

    command: object
    failure: BaseException | None = None


_publishing: ContextVar[_Publishing | None] = ContextVar("unbroken-faststream-publishing", default=None)


class UnbrokenMiddleware(faststream.BaseMiddleware):
    """Give this class to a broker or a router: `KafkaBroker(..., middlewares=[UnbrokenMiddleware])`.

    For `KafkaBroker`, `ConfluentBroker` (`faststream.confluent.KafkaBroker`) and `RabbitBroker`; messages of other
    brokers pass as if it were not there. Instead of FastStream's own telemetry middleware, not beside it.
    """

    __slots__ = ("_around", "_publishing", "_scope", "_token")

    def __init__(self, msg: Any, /, *, context: Any) -> None:
        super().__init__(msg, context=context)
        self._scope: MessageScope | receive | None = None
        self._token: Any = None
        self._around: Any = None
        self._publishing = _publishing.get()

    async def on_receive(self) -> None:
        """Open the block of the message; FastStream calls it before the message is parsed."""
        try:
            self._open()
        except UnknownMessage as unknown:
            warn_once(f"FastStream: {unknown}; it passes without a span")
        except Exception as error:
            log_internal_error("FastStream's consumer", error)

    async def after_processed(
        self,
        exc_type: type[BaseException] | None = None,  # noqa: ARG002 - FastStream names it
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,  # noqa: ARG002 - FastStream names it
    ) -> bool:
        """Close it, when what the handler returned is published; the exception passes."""
        if self._publishing is not None:
            self._publishing.failure = exc_val
        scope, self._scope = self._scope, None
        if scope is not None:
            # How a handler tells what becomes of its message (AckMessage, SkipMessage) is no failure of it.
            scope.close(None if isinstance(exc_val, IgnoredException) else exc_val)
        if self._token is not None:
            _handling.reset(self._token)
            self._token = None
        if self._around is not None:
            detach(self._around)
            self._around = None
        return False

    async def publish_scope(self, call_next: Callable[[Any], Awaitable[Any]], cmd: Any) -> Any:
        """Publish inside a PRODUCER span, whose context is in a copy of the headers."""
        outer = _publishing.get()
        sending = _begun(cmd) if outer is None or outer.command is not cmd else None
        if sending is None:
            return await call_next(cmd)
        publishing = _Publishing(cmd)
        token, handling = _publishing.set(publishing), _handling.set(None)
        try:
            if (inside := sending.context) is None:
                result = await call_next(cmd)
            else:
                with attached(inside):
                    result = await call_next(cmd)
        except BaseException as error:
            sending.end(None if error is publishing.failure else error)
            raise
        finally:
            _handling.reset(handling)
            _publishing.reset(token)
        if isinstance(result, asyncio.Future):  # `no_confirm=True`
            result.add_done_callback(DeliveryCallback(sending, functools.partial(_placed, cmd)))
        else:
            sending.end(attributes=_placed(cmd, result))
        return result

    def _open(self) -> None:
        subscriber = self.context.get_local("handler_")
        here = (subscriber, asyncio.current_task())
        if subscriber is None or here == _handling.get():
            return  # `get_one` or the reply to a request: no handler of its own runs for this message
        _read_any_header(subscriber)
        consumer = _consumer(subscriber)
        message: Any = self.msg
        is_batch = isinstance(message, (tuple, list))  # a list from a broker in memory
        scope = receive(message, consumer) if is_batch else MessageScope(message, consumer)
        self._token = _handling.set(here)
        if self._publishing is not None and not is_suppressed(current()):
            self._around = attach(Context())  # a broker in memory delivers where it is published: another process
        scope.open()
        self._scope = scope


def forward(message: Any, *, error: BaseException | None = None) -> dict[str, Any]:
    """Return the headers to publish a message again with, as a broker of FastStream takes them.

    What `unbroken.forward` returns, as a dict; of Kafka headers those that are text, as in `message.headers`.

    Args:
        message: the message of FastStream, or one of the `Records` of a batch.
        error: why it is published again.

    Raises:
        UnknownMessage: not a message of a known client, or a batch.
    """
    headers: Any = forwarding.forward(getattr(message, "raw_message", message), error=error)
    if isinstance(headers, dict):
        return headers
    return {name: value if isinstance(value, str) else value.decode() for name, value in headers if _is_text(value)}


def _consumer(subscriber: Any) -> HasClientAttributes | None:
    """Return what a subscriber of Kafka knows of its consumer, as the client's own drop-in would tell it."""
    attributes = client_attributes(getattr(subscriber, "client_id", None), getattr(subscriber, "group_id", None), None)
    if not attributes:
        return None
    known = HasClientAttributes()
    known.unbroken_attributes = attributes
    return known


# Publishing.


def _begun(cmd: Any) -> Sending | None:
    """Start to send what a command publishes and put the context into a copy of its headers.

    None for other brokers, and when it fails.
    """
    try:
        if hasattr(cmd, "exchange"):
            return _begun_for_rabbitmq(cmd)
        if hasattr(cmd, "partition"):
            sending = start_send(cmd.destination, cmd.headers, lambda: _kafka(cmd), MAPPING)
            cmd.headers = sending.headers
            return sending
    except Exception as error:
        log_internal_error("FastStream's publisher", error)
    return None


def _begun_for_rabbitmq(cmd: Any) -> Sending:
    exchange = "" if cmd.exchange.name == "default" else cmd.exchange.name
    routing_key = cmd.destination

    def describe() -> Attributes:
        message_id = cmd.message_options.get("message_id")
        return publish_attributes(exchange, routing_key, message_id, cmd.correlation_id, {})

    own = getattr(cmd.body, "headers", None)  # a message of aio-pika is sent as it is: with its headers, not with ours
    sending = start_publish(exchange, routing_key, cmd.headers if own is None else own, describe)
    if own is None:
        cmd.headers = sending.headers
    else:
        cmd.body = copy.copy(cmd.body)
        cmd.body.headers = sending.headers
    return sending


def _kafka(cmd: Any) -> Attributes:
    count = len(cmd.batch_bodies)
    key = cmd.key if count < 2 else None
    attributes = send_attributes(cmd.destination, cmd.partition, key, cmd.body is None and key is not None)
    if count > 1:
        attributes[semconv.MESSAGE_COUNT] = count
    return attributes


def _placed(cmd: Any, result: Any) -> Attributes:
    """Return where the broker put the record: aiokafka tells it by attributes, confluent-kafka by methods."""
    try:
        if not hasattr(result, "offset") or not hasattr(result, "partition"):
            return {}
        if callable(result.offset):
            partition, offset = result.partition(), result.offset()
            known: Attributes = {} if partition is None else {semconv.PARTITION: f"{partition}"}
            return known if offset is None else {**known, semconv.KAFKA_OFFSET: offset}
        return placed_by(
            result, acknowledged=len(cmd.batch_bodies) < 2
        )  # the offset of a batch is that of its first record
    except Exception as error:
        log_internal_error("the end of a send", error)
        return {}


# Headers that are no text.


def _read_any_header(subscriber: Any) -> None:
    """Let the handlers of a subscriber have records with headers that FastStream cannot read.

    It keeps the parser and the decoder of a handler in private attributes, composed anew at times; where they are no
    longer, it reads as it always did.
    """
    for call in subscriber.calls:
        if not isinstance(call.parser, _Parser):
            call.parser = _Parser(call.parser)
        if not isinstance(call.decoder, _Decoder):
            call.decoder = _Decoder(call.decoder)


@dataclass(frozen=True)
class _Parser:
    """A parser that is given a record without what it cannot read, when it fails; equal if the parsers are."""

    parser: Callable[[Any], Awaitable[Any]]

    async def __call__(self, record: Any) -> Any:
        try:
            return await self.parser(record)
        except Exception:
            if (readable := _readable(record)) is None:
                raise
        message = await self.parser(readable)
        message.raw_message = record
        return message


@dataclass(frozen=True)
class _Decoder:
    """The same for a decoder: that of a batch reads the headers of each record once more."""

    decoder: Callable[[Any], Awaitable[Any]]

    async def __call__(self, message: Any) -> Any:
        try:
            return await self.decoder(message)
        except Exception:
            if (readable := _readable(message.raw_message)) is None:
                raise
        without = copy.copy(message)
        without.raw_message = readable
        return await self.decoder(without)


class _Readable:
    """A record whose headers are text; all else is the record's."""

    def __init__(self, record: Any, headers: tuple[Any, ...]) -> None:
        self._record = record
        self.headers: Any = (lambda: headers) if callable(record.headers) else headers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


def _readable(record: Any) -> Any:
    """Return a record, or the records of a batch, with text in the headers; None when there is nothing else in them."""
    if isinstance(record, (tuple, list)):
        found = [(_readable(one), one) for one in record]
        return tuple(better or one for better, one in found) if any(better for better, _ in found) else None
    headers: Any = getattr(record, "headers", None)
    pairs = headers() if callable(headers) else headers
    if not isinstance(pairs, (list, tuple)):
        return None
    kept = tuple(pair for pair in pairs if _is_text(pair[1]))
    return _Readable(record, kept) if len(kept) < len(pairs) else None


def _is_text(value: Any) -> bool:
    if isinstance(value, str):
        return True
    try:
        value.decode()
    except (AttributeError, UnicodeDecodeError):
        return False
    return True
