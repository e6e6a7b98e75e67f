"""aio-pika: a message that was received, whose settlement and whose block are traced."""

from __future__ import annotations

import inspect
from typing import Any

import aio_pika
from aio_pika.message import ProcessContext as _ClientProcessContext

from unbroken.clients.aio_pika.messages import channel_of, remember_queue, server_of
from unbroken.clients.rabbitmq.handling import is_real
from unbroken.clients.rabbitmq.settling import settle_deliveries
from unbroken.clients.wrappers import Wrap, is_wrapper, wraps_once
from unbroken.messaging.scope import MessageScope

_SCOPE = "_unbroken_scope"
"""Where a block of the client keeps ours."""


def wrap_settle(operation: str) -> Wrap:
    """Return what wraps a method of a message that settles it."""

    def wrap(original: Any) -> Any:
        signature = inspect.signature(original)

        async def settle(self: Any, *args: Any, **named: Any) -> Any:
            multiple = bool(args or named) and signature.bind(self, *args, **named).arguments.get("multiple", False)
            channel = channel_of(self)
            with settle_deliveries(operation, channel, self.delivery_tag, multiple, server_of(channel)):
                return await original(self, *args, **named)

        return settle

    return wraps_once(wrap)


@wraps_once
def wrap_enter(original: Any) -> Any:
    """Return the beginning of `async with message.process()` that begins a `process` too."""

    async def enter(self: Any) -> Any:
        message = await original(self)
        if is_real(message, aio_pika.IncomingMessage) and _SCOPE not in vars(self):
            scope = MessageScope(message)
            scope.open()
            setattr(self, _SCOPE, scope)
        return message

    return enter


@wraps_once
def wrap_exit(original: Any) -> Any:
    """Return its end: the message is acknowledged or rejected inside our block."""

    async def leave(self: Any, kind: Any, error: Any, traceback: Any) -> Any:
        kept: dict[str, Any] = self.__dict__
        scope = kept.pop(_SCOPE, None)
        if scope is None:
            return await original(self, kind, error, traceback)
        try:
            found = await original(self, kind, error, traceback)
        except BaseException as failure:
            scope.close(failure)
            raise
        scope.close(error)
        return found

    return leave


SETTLES = {name: wrap_settle(name) for name in ("ack", "nack", "reject")}
"""What wraps the methods of a message that settle it, by their names."""


class ProcessContext(_ClientProcessContext):
    """An `aio_pika` process context that is `process` too."""

    __aenter__ = wrap_enter(_ClientProcessContext.__aenter__)
    __aexit__ = wrap_exit(_ClientProcessContext.__aexit__)


class IncomingMessage(aio_pika.IncomingMessage):
    """An `aio_pika.IncomingMessage` whose acknowledgement is traced."""

    __slots__ = ()

    ack = SETTLES["ack"](aio_pika.IncomingMessage.ack)
    nack = SETTLES["nack"](aio_pika.IncomingMessage.nack)
    reject = SETTLES["reject"](aio_pika.IncomingMessage.reject)

    def process(
        self, requeue: bool = False, reject_on_redelivered: bool = False, ignore_processed: bool = False
    ) -> aio_pika.abc.AbstractProcessContext:
        """Return the client's block for the message, which is `process(message)` too."""
        return ProcessContext(
            self,
            requeue=requeue,
            reject_on_redelivered=reject_on_redelivered,
            ignore_processed=ignore_processed,
        )


def adopt_message(queue: str, message: Any) -> None:
    """Take note of a message, and make it one of ours: the client has a fixed class for what it receives.

    Under zero code the methods of that class are ours already.
    """
    if is_real(message, aio_pika.IncomingMessage):
        remember_queue(queue, message)
    if type(message) is aio_pika.IncomingMessage and not is_wrapper(aio_pika.IncomingMessage.ack):
        object.__setattr__(message, "__class__", IncomingMessage)
