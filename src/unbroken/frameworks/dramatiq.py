"""dramatiq: each message is processed in the trace that enqueued it, through delays, retries and the dead-letter queue.

    from unbroken.frameworks.dramatiq import instrument

    broker = instrument(RabbitmqBroker(url="amqp://localhost"))    # or: broker.add_middleware(UnbrokenMiddleware())

Enqueuing makes one PRODUCER span and puts its context into the options of the message that goes out; each delivery to a
worker thread makes one CONSUMER span, current in the actor and in the middleware that runs after it (retries,
pipelines, callbacks). Actors that are coroutines run in a copy of the worker thread's context, so it is theirs too.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

from unbroken.errors import required

with required("dramatiq"):
    from dramatiq import Message, Middleware, Retry
    from dramatiq.broker import Broker, MessageProxy

from unbroken.frameworks.worker_exit import flush
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import MAPPING

__all__ = ["UnbrokenMiddleware", "instrument"]

ACTOR_NAME = "dramatiq.actor_name"

_SYSTEMS = {"RabbitmqBroker": "rabbitmq", "RedisBroker": "redis"}
"""`messaging.system` by the class of the broker; of others it is `dramatiq`."""


_Broker = TypeVar("_Broker", bound=Broker)


def instrument(broker: _Broker) -> _Broker:
    """Add the middleware to a broker, which is returned; twice is once."""
    if not any(isinstance(one, UnbrokenMiddleware) for one in broker.middleware):
        broker.add_middleware(UnbrokenMiddleware())
    return broker


class UnbrokenMiddleware(Middleware):
    """The trace of each message.

    Wherever it was added, it is the first middleware once a worker starts: `before_` hooks run in the order of the
    middleware and `after_` hooks against it, and what the others do around an actor belongs to the message.
    """

    def __init__(self) -> None:
        # By the identity of the message, which lives as long as its entry.
        self._processing: dict[int, MessageScope] = {}
        self._enqueuing: dict[int, _Enqueuing] = {}

    # ruff: noqa: ARG002 - dramatiq gives each hook all that it has

    def before_worker_boot(self, broker: Broker, worker: object) -> None:
        """Become the first middleware, and the only one of this class."""
        if _is_in_charge(self, broker):
            others = [one for one in broker.middleware if not isinstance(one, UnbrokenMiddleware)]
            broker.middleware = [self, *others]  # a new list: the hooks of the old one are just being called

    def after_worker_shutdown(self, broker: Broker, worker: object) -> None:
        """Export what was recorded: the worker process ends without `atexit`."""
        if _is_in_charge(self, broker):
            flush()

    def before_enqueue(self, broker: Broker, message: Message[Any] | MessageProxy, delay: int | None) -> None:
        """Start the PRODUCER span, and let the message go out with its context."""
        try:
            if not _is_in_charge(self, broker):
                return
            plain = _plain(message)
            self._end_enqueuing(plain, _GIVEN_UP)  # an attempt that failed; dramatiq tells nobody of that
            sending = start_send(plain.queue_name, plain.options, lambda: _sent(broker, plain), MAPPING)
            end = weakref.finalize(plain, self._forget_enqueuing, id(plain))
            end.atexit = False
            self._enqueuing[id(plain)] = _Enqueuing(plain, sending, end)
        except Exception as error:
            log_internal_error("the enqueuing of a message", error)

    def after_enqueue(self, broker: Broker, message: Message[Any] | MessageProxy, delay: int | None) -> None:
        """End the PRODUCER span; the message itself is as it was."""
        try:
            self._end_enqueuing(_plain(message), None)
        except Exception as error:
            log_internal_error("the enqueuing of a message", error)

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Start the CONSUMER span, and make it current."""
        try:
            if not _is_in_charge(self, broker):
                return
            scope = MessageScope(message, attributes=_broker(broker))
            scope.open()
            self._processing[id(message)] = scope
        except Exception as error:
            log_internal_error("the start of a message", error)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """End the CONSUMER span."""
        scope = self._processing.pop(id(message), None)
        if scope is not None:
            scope.close(_failure(exception))

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """End the CONSUMER span of a message that another middleware does not want to be processed."""
        self.after_process_message(broker, message)

    def _end_enqueuing(self, plain: Message[Any], error: str | None) -> None:
        enqueuing = self._enqueuing.pop(id(plain), None)
        if enqueuing is not None:
            enqueuing.end.detach()
            enqueuing.restore(plain)
            enqueuing.sending.end(error)

    def _forget_enqueuing(self, identity: int) -> None:
        """End the PRODUCER span of a message that is gone and was not enqueued."""
        enqueuing = self._enqueuing.pop(identity, None)
        if enqueuing is not None:
            enqueuing.sending.end(_GIVEN_UP)


_GIVEN_UP = "_OTHER"
"""`error.type` of an attempt to enqueue that failed: the exception is not told to middleware."""


class _Enqueuing:
    """A message on its way out: with the context in its options, a copy of those that it was given."""

    __slots__ = ("_before", "end", "sending")

    def __init__(self, plain: Message[Any], sending: Sending, end: Any) -> None:
        given, sent = plain.options, sending.headers
        self.sending = sending
        self.end = end
        """What ends the span when the message is gone; holds no message."""
        self._before = {name: given.get(name) for name in {*given, *sent} if given.get(name) is not sent.get(name)}
        _set_options(plain, sent)

    def restore(self, plain: Message[Any]) -> None:
        """Give the message the fields that it had, so that it can be enqueued again from another trace."""
        before = self._before
        options = {name: value for name, value in plain.options.items() if name not in before}
        options.update((name, value) for name, value in before.items() if value is not None)
        _set_options(plain, options)


def _set_options(plain: Message[Any], options: dict[str, Any]) -> None:
    object.__setattr__(plain, "options", options)  # frozen; the dict is the application's and stays as it is


def _plain(message: Message[Any] | MessageProxy) -> Message[Any]:
    """Return the message that is encoded: a worker's own is around it."""
    plain: Any = message
    if isinstance(message, MessageProxy):
        plain = message._message  # noqa: SLF001, PGH003 # pyright: ignore
    known: Message[Any] = plain
    return known


def _failure(exception: BaseException | None) -> BaseException | None:
    """Return why an actor failed; a `Retry` that nothing has caused (an actor that polls) is no failure."""
    if isinstance(exception, Retry):
        return exception.__cause__ or exception.__context__
    return exception


def _is_in_charge(middleware: UnbrokenMiddleware, broker: Broker) -> bool:
    """Return whether this is the first middleware of its class: twice is once."""
    return next((one for one in broker.middleware if isinstance(one, UnbrokenMiddleware)), None) is middleware


def _broker(broker: Broker) -> Attributes:
    """Return the attributes of the broker; of several servers it is not known which one is meant."""
    attributes: Attributes = {semconv.SYSTEM: "dramatiq"}
    for kind in type(broker).__mro__:
        if kind.__name__ in _SYSTEMS:
            attributes[semconv.SYSTEM] = _SYSTEMS[kind.__name__]
    parameters: Any = getattr(broker, "parameters", None)
    if host := getattr(parameters, "host", None):
        attributes[semconv.SERVER_ADDRESS] = host
        attributes[semconv.SERVER_PORT] = parameters.port
    return attributes


def _sent(broker: Broker, plain: Message[Any]) -> Attributes:
    known = _broker(broker)
    is_rabbitmq = known[semconv.SYSTEM] == "rabbitmq"
    attributes: Attributes = {
        **known,
        semconv.OPERATION_NAME: "publish" if is_rabbitmq else "send",
        semconv.OPERATION_TYPE: "send",
        semconv.DESTINATION: plain.queue_name,
        semconv.MESSAGE_ID: plain.message_id,
        ACTOR_NAME: plain.actor_name,
    }
    if is_rabbitmq:
        attributes[semconv.RABBITMQ_ROUTING_KEY] = plain.queue_name
    return attributes


def _attributes(message: Any) -> Attributes:
    attributes: Attributes = {
        semconv.SYSTEM: "dramatiq",
        semconv.OPERATION_NAME: "process",
        semconv.OPERATION_TYPE: "process",
        semconv.DESTINATION: message.queue_name,
        semconv.MESSAGE_ID: str(message.message_id),
        ACTOR_NAME: str(message.actor_name),
    }
    retries = message.options.get("retries", 0)
    if isinstance(retries, int):
        attributes[semconv.ATTEMPT] = retries + 1
    if getattr(message, "redelivered", None):
        attributes[semconv.REDELIVERED] = True
    return attributes


def _timestamp(message: Any) -> float | None:
    """Return when the message was enqueued last; retries and delays keep the time of the first."""
    milliseconds = message.options.get("requeue_timestamp") or message.message_timestamp
    return milliseconds / 1000 if isinstance(milliseconds, (int, float)) else None


_MESSAGE: MessageType = MessageType(
    system="dramatiq",
    carrier=MAPPING,
    headers=lambda message: message.options,
    destination=lambda message: message.queue_name,
    attributes=_attributes,
    per_message_attributes=(semconv.MESSAGE_ID, ACTOR_NAME, semconv.ATTEMPT, semconv.REDELIVERED),
    source=lambda message: f"{message.queue_name}/{message.message_id}",
    timestamp=_timestamp,
    receiving="consume",
)
register(MessageProxy, _MESSAGE)
register(Message, _MESSAGE)  # what `Message.decode` makes of the body of a dead letter
