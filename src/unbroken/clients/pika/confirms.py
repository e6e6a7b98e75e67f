"""pika in confirm mode: the answers of the broker end the send spans of a channel with callbacks.

A `BlockingChannel` waits for the answer itself: what it publishes ends when its method returns.
"""

# The client's annotations differ between its versions, and the oldest have none.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from pika.spec import Basic

from unbroken.clients.pika.channels import is_beneath
from unbroken.clients.rabbitmq.publishing import RETURNED
from unbroken.clients.wrappers import TracedCallback, wraps_once
from unbroken.messaging.send import Sending
from unbroken.messaging.tracing import log_internal_error


class Confirms:
    """The messages of one `Channel` in confirm mode that the broker has not answered for.

    The broker counts them from 1, in the order in which they were published.
    """

    __slots__ = ("_count", "_is_listening", "_waiting")

    def __init__(self) -> None:
        self._is_listening = False
        self._count = 0
        self._waiting: dict[int, Sending] = {}

    def listen(self, channel: Any) -> None:
        """Learn from now on of messages that come back, and of the channel's end; once. Never raises."""
        if self._is_listening:
            return
        self._is_listening = True
        try:
            channel.add_on_return_callback(self.give_back)
            channel.add_on_close_callback(self.fail)
        except Exception as failure:
            log_internal_error("the answers of a channel", failure)

    def add(self, sending: Sending) -> None:
        """Wait for the answer to the next message."""
        self._count += 1
        if sending.is_observed:
            self._waiting[self._count] = sending

    def answer(self, frame: Any) -> None:
        """End the spans of the messages that the broker has accepted or refused. Never raises."""
        try:
            method = frame.method
            tag = method.delivery_tag
            tags = [one for one in self._waiting if one <= tag or not tag] if method.multiple else [tag]
            error = "nack" if isinstance(method, Basic.Nack) else None
            for one in tags:
                if (sending := self._waiting.pop(one, None)) is not None:
                    sending.end(error)
        except Exception as failure:
            log_internal_error("a confirmation", failure)

    def give_back(self, _channel: Any, method: Any, properties: Any, _body: Any) -> None:
        """End the span of a message that could not be routed: the broker gives it back, then accepts it."""
        try:
            sent = (properties.headers or {}).get("traceparent")
            for one, sending in self._waiting.items():
                if sent is not None and sending.headers.get("traceparent") == sent:
                    del self._waiting[one]
                    sending.end(method.reply_text or RETURNED)
                    return
        except Exception as failure:
            log_internal_error("a returned message", failure)

    def fail(self, _channel: Any, reason: Any) -> None:
        """End the spans of all: the channel is closed, and no answer comes any more."""
        waiting, self._waiting = self._waiting, {}
        for sending in waiting.values():
            sending.end(reason if isinstance(reason, BaseException) else "closed")


_confirms: WeakKeyDictionary[Any, Confirms] = WeakKeyDictionary()
"""Of each `Channel` in confirm mode."""


def confirms_of(channel: Any) -> Confirms | None:
    """Return what waits for answers on a channel, None where it is in no confirm mode that we know of."""
    return _confirms.get(channel)


@wraps_once
def wrap_confirm_delivery(original: Any) -> Any:
    """Return a `confirm_delivery` of a Channel whose answers end the send spans."""

    def confirm_delivery(self: Any, ack_nack_callback: Any, *args: Any, **named: Any) -> Any:
        # A request that waits for another's answer is sent later: which message will be the first is not known then.
        is_sent_now = not getattr(self, "_blocking", None)
        if is_beneath(self) or self in _confirms or not is_sent_now or not callable(ack_nack_callback):
            return original(self, ack_nack_callback, *args, **named)
        confirms = Confirms()
        answered = TracedCallback(ack_nack_callback, _answering(confirms, ack_nack_callback))
        found = original(self, answered, *args, **named)
        _confirms[self] = confirms
        return found

    return confirm_delivery


def _answering(confirms: Confirms, callback: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def answered(frame: Any) -> Any:
        confirms.answer(frame)
        return callback(frame)

    return answered
