"""taskiq: a middleware that executes each task in the trace that has sent it, through retries and on any broker.

    from unbroken.frameworks.taskiq import instrument

    broker = instrument(AioKafkaBroker("localhost:9092").with_middlewares(SimpleRetryMiddleware()))

Sending makes one PRODUCER span, which ends when the broker has taken the message, and puts its context into a copy of
the labels. Executing makes one CONSUMER span, current in the task function (also in one that runs in a thread), in its
dependencies, and where taskiq sends it again after an error.

`instrument` puts the middleware first. Who gives an `UnbrokenMiddleware()` to `with_middlewares` gives it before those
that send (retries): the hooks after an execution run in reverse order.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from typing import Any, TypeVar

from unbroken.errors import required

with required("taskiq"):
    from taskiq import TaskiqMessage, TaskiqMiddleware, TaskiqResult
    from taskiq.abc.broker import AsyncBroker
    from taskiq.exceptions import NoResultError

from unbroken.clients.rabbitmq.attributes import published_to
from unbroken.frameworks.late_binding import late_bound
from unbroken.frameworks.worker_exit import flush
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import attached

__all__ = ["UnbrokenMiddleware", "instrument"]

TASK_NAME = "taskiq.task_name"

_SYSTEMS = {
    "taskiq_aio_kafka": "kafka",
    "taskiq_aio_pika": "rabbitmq",
    "taskiq_nats": "nats",
    "taskiq_redis": "redis",
}
"""`messaging.system` by the package of the broker; others are `taskiq`."""

_Kick = Callable[[Any], Awaitable[None]]


_Broker = TypeVar("_Broker", bound=AsyncBroker)


def instrument(broker: _Broker) -> _Broker:
    """Put the middleware before the others of a broker, which is returned; twice is once."""
    if not any(isinstance(one, UnbrokenMiddleware) for one in broker.middlewares):
        middleware = UnbrokenMiddleware()
        middleware.set_broker(broker)
        broker.middlewares.insert(0, middleware)
    return broker


class UnbrokenMiddleware(TaskiqMiddleware):
    """Give one to a broker: `broker.with_middlewares(UnbrokenMiddleware())`; twice is once.

    Instead of taskiq's own OpenTelemetry middleware, not beside it.
    """

    def set_broker(self, broker: AsyncBroker) -> None:
        """Take the broker, whose `kick` ends the span of a message from now on: no hook says that it has failed."""
        super().set_broker(broker)
        if not isinstance(broker.kick, _Kicking):
            broker.kick = _Kicking(broker)  # type: ignore[method-assign]

    async def shutdown(self) -> None:
        """Export what was recorded: the worker process ends without `atexit`."""
        if self.broker.is_worker_process:
            await asyncio.to_thread(flush)

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        """Start to send a message, with the context in a copy of its labels."""
        waiting = _waiting.get()
        if waiting is not None:
            if waiting.message is message:
                return message
            waiting.abandon()
        try:
            destination = _destination(self.broker, message)
            sending = start_send(destination, message.labels, lambda: _sent(self.broker, message, destination), MAPPING)
            sent = message.model_copy(update={"labels": sending.headers})
            _waiting.set(_Waiting(sent, sending))
        except Exception as error:
            log_internal_error("taskiq's sender", error)
            return message
        return sent

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """Open the block of the message, in the task of asyncio that executes it."""
        try:
            outer = _executing.get()
            if outer is None or outer.message is not message:
                _Execution(self, message, _processed(self.broker, message)).open()
        except Exception as error:
            log_internal_error("taskiq's receiver", error)
        return message

    def on_error(
        self,
        message: TaskiqMessage,
        result: TaskiqResult[Any],  # noqa: ARG002 - taskiq names it
        exception: BaseException,
    ) -> None:
        """Remember what the task raised; the block stays open for the middleware that sends it again."""
        execution = _executing.get()
        if execution is not None and execution.is_of(self, message) and not isinstance(exception, NoResultError):
            execution.error = exception

    def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:  # noqa: ARG002 - taskiq names it
        """Close the block."""
        execution = _executing.get()
        if execution is not None and execution.is_of(self, message):
            execution.close()


# Sending: from `pre_send` to the end of `kick`, which taskiq calls one after the other in one task of asyncio.


class _Waiting:
    """A message that is about to be kicked, at the latest to the end of the task that sends it."""

    __slots__ = ("_task", "message", "sending")

    def __init__(self, message: TaskiqMessage, sending: Sending) -> None:
        self.message = message
        self.sending = sending
        self._task = asyncio.current_task()
        if self._task is not None:
            self._task.add_done_callback(self.abandon)

    def kicked(self) -> None:
        """Note that it is no longer waiting."""
        if self._task is not None:
            self._task.remove_done_callback(self.abandon)

    def abandon(self, _: object = None) -> None:
        """End the span of a message that taskiq could not serialize, or another middleware refused."""
        self.kicked()
        self.sending.end("not sent")


_waiting: ContextVar[_Waiting | None] = ContextVar("unbroken-taskiq-waiting", default=None)


class _Kicking:
    """The `kick` of a broker, inside the span of the message that it sends."""

    def __init__(self, broker: AsyncBroker) -> None:
        self._kick: _Kick = late_bound(broker, "kick")
        functools.update_wrapper(self, broker.kick)

    async def __call__(self, message: Any) -> None:
        waiting = _waiting.get()
        if waiting is None or waiting.message.task_id != message.task_id:
            await self._kick(message)  # `Context.requeue` sends the message as it was received
            return
        _waiting.set(None)
        waiting.kicked()
        sending = waiting.sending
        try:
            if (inside := sending.context) is None:
                await self._kicked(message)
            else:
                with attached(inside):
                    await self._kicked(message)
        except BaseException as error:
            sending.end(error)
            raise
        sending.end()

    async def _kicked(self, message: Any) -> None:
        """Kick a message; what `InMemoryBroker(await_inplace=True)` executes here is over when a middleware raises."""
        around = _executing.get()
        try:
            await self._kick(message)
        except BaseException as error:
            if (left := _executing.get()) is not None and left is not around:
                left.fail(error)
            raise


# Executing.


class _Execution:
    """The block of one message: from `pre_execute` to `post_execute`, and at the latest to the end of the task."""

    __slots__ = ("_middleware", "_scope", "_task", "_token", "error", "message")

    def __init__(self, middleware: object, message: TaskiqMessage, attributes: Attributes) -> None:
        self.message = message
        self.error: BaseException | None = None
        self._middleware = middleware
        self._scope = MessageScope(message, attributes=attributes)
        self._token: Token[_Execution | None] | None = None
        self._task = asyncio.current_task()

    def is_of(self, middleware: object, message: TaskiqMessage) -> bool:
        """Return whether a middleware has opened it, for a message that others may have copied since."""
        return self._middleware is middleware and self.message.task_id == message.task_id

    def open(self) -> None:
        """Open the block in the current context."""
        self._scope.open()
        self._token = _executing.set(self)
        if self._task is not None:
            self._task.add_done_callback(self._abandon)

    def close(self) -> None:
        """Close it, in the same context, once."""
        if self._token is None:
            return
        if self._task is not None:
            self._task.remove_done_callback(self._abandon)
        _executing.reset(self._token)
        self._token = None
        self._scope.close(self.error)

    def fail(self, error: BaseException) -> None:
        """Close it with an error of taskiq, if the task itself had none."""
        if self.error is None:
            self.error = error
        self.close()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        """End the span where another middleware, or the acknowledgement, has raised and `post_execute` never came."""
        self._token = None
        error = self.error
        if error is None and not task.cancelled():
            error = task.exception()
        self._scope.close(error)


_executing: ContextVar[_Execution | None] = ContextVar("unbroken-taskiq-executing", default=None)


# What is known of a message.


@functools.lru_cache(maxsize=64)
def _system(broker: type) -> str:
    packages = [kind.__module__.partition(".")[0] for kind in broker.__mro__]
    return next((_SYSTEMS[package] for package in packages if package in _SYSTEMS), "taskiq")


def _destination(of: AsyncBroker, message: TaskiqMessage) -> str:
    """Return where a broker sends the message; it keeps that in private attributes, without which it is the task."""
    broker: Any = of
    try:
        system = _system(type(of))
        if system == "kafka":
            return str(message.labels.get(broker.task_topic_label) or broker._kafka_topic.name)  # noqa: SLF001
        if system == "rabbitmq":
            return published_to(broker._exchange.name, _routing_key(broker, message))  # noqa: SLF001
        if system == "redis":
            return str(message.labels.get("queue_name") or broker.queue_name)
    except AttributeError:
        pass
    return message.task_name


def _routing_key(broker: Any, message: TaskiqMessage) -> str:
    queues = broker._task_queues  # noqa: SLF001
    if len(queues) == 1:
        return str(queues[0].routing_key or queues[0].name)
    return str(message.labels.get(broker._label_for_routing) or "")  # noqa: SLF001


def _known(message: TaskiqMessage) -> Attributes:
    return {
        semconv.SYSTEM: "taskiq",
        semconv.OPERATION_NAME: "process",
        semconv.OPERATION_TYPE: "process",
        semconv.DESTINATION: message.task_name,
        semconv.MESSAGE_ID: message.task_id,
        TASK_NAME: message.task_name,
    }


def _processed(broker: AsyncBroker, message: TaskiqMessage) -> Attributes:
    """Return what the broker adds to the attributes of a process span."""
    attributes: Attributes = {
        semconv.SYSTEM: _system(type(broker)),
        semconv.DESTINATION: _destination(broker, message),
    }
    retries = str(message.labels.get("_retries", "0"))
    if retries.isdecimal():
        attributes[semconv.ATTEMPT] = int(retries) + 1
    return attributes


def _sent(broker: AsyncBroker, message: TaskiqMessage, destination: str) -> Attributes:
    system = _system(type(broker))
    return {
        **_known(message),
        semconv.SYSTEM: system,
        semconv.OPERATION_NAME: "publish" if system == "rabbitmq" else "send",
        semconv.OPERATION_TYPE: "send",
        semconv.DESTINATION: destination,
    }


register(
    TaskiqMessage,
    MessageType(
        system="taskiq",
        carrier=MAPPING,
        headers=lambda message: message.labels,
        destination=lambda message: message.task_name,
        attributes=_known,
        per_message_attributes=(semconv.MESSAGE_ID,),
        source=lambda message: f"{message.task_name}/{message.task_id}",
    ),
)
