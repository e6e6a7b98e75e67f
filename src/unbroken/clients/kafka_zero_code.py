"""What zero-code instrumentation does with the calls of a Kafka consumer, whichever the client.

Each function takes a method of a consumer and returns what stands in its place: while the client is instrumented, the
record of a call that gives one is current until the consumer's next call or close; a call that gives several makes a
span with links, and no record of them is current.

Knows no client library; the modules named after the clients say which methods these are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from unbroken.clients.kafka_facts import HasClientAttributes
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error

Method = Callable[..., Any]
STATE = "unbroken_state"
"""The attribute of a consumer that keeps its `ConsumerState`."""


class ConsumerState(HasClientAttributes):
    """What is kept for one consumer: its open record, what it knows for the spans, and what was counted."""

    def __init__(self, polling: PollSwitch, attributes: Attributes) -> None:
        self.unbroken_attributes = attributes
        self.polled = PollScope(polling, attributes)
        self._polling = polling

    def called(self) -> None:
        """End what the consumer gave before; it is called again."""
        self.polled.leave()

    def gave(self, messages: Any, *, one: bool, started: int) -> Any:
        """Trace the messages of a call and return what the application gets.

        Args:
            messages: in a list, or in lists by partition; several become current in their turns.
            one: whether the application asked for one message; then it becomes current.
            started: when the call began, nanoseconds since the epoch.
        """
        if not messages or not self._polling.is_on:
            return messages
        try:
            if one:
                (records,) = messages.values() if isinstance(messages, Mapping) else (messages,)
                self.polled.enter(records[0])
                return messages
            with receive(messages, self, start_time=started):
                pass
            if isinstance(messages, Mapping):
                return {partition: self.polled.hand_out(records) for partition, records in messages.items()}
            return self.polled.hand_out(messages)
        except Exception as error:
            log_internal_error("a poll", error)
            return messages


class Consumers:
    """The consumers of one client library, and the methods that stand in place of theirs.

    Args:
        attributes: what a plain consumer knows without asking the broker.
    """

    def __init__(self, attributes: Callable[[Any], Attributes]) -> None:
        self.polling = PollSwitch()
        self._attributes = attributes

    def watched(self, consumer: Any) -> ConsumerState:
        """Return what is kept for a consumer, made when it is seen first."""
        try:
            found: ConsumerState = consumer.unbroken_state
        except AttributeError:
            found = ConsumerState(self.polling, self._known(consumer))
            setattr(consumer, STATE, found)
        return found

    def _known(self, consumer: Any) -> Attributes:
        if isinstance(consumer, HasClientAttributes):  # a drop-in class
            return consumer.unbroken_attributes
        try:
            return self._attributes(consumer)
        except Exception as error:
            log_internal_error("a consumer", error)
            return {}

    def wrap_poll(self, method: Method) -> Method:
        """Return a method that gives one message, or None."""

        @functools.wraps(method)
        def call(consumer: Any, *args: Any, **named: Any) -> Any:
            try:
                polled: PollScope = consumer.unbroken_state.polled
            except AttributeError:
                polled = self.watched(consumer).polled
            polled.leave()
            try:
                message = method(consumer, *args, **named)
            except Exception as error:
                _enter_failed(polled, error)
                raise
            if message is not None:
                polled.enter(message)
            return message

        return call

    def wrap_async_poll(self, method: Method) -> Method:
        """Return a coroutine method that gives one message, or None."""

        @functools.wraps(method)
        async def call(consumer: Any, *args: Any, **named: Any) -> Any:
            polled = self.watched(consumer).polled
            polled.leave()
            message = await method(consumer, *args, **named)
            if message is not None:
                polled.enter(message)
            return message

        return call

    def wrap_close(self, method: Method) -> Method:
        """Return a method after which the consumer gives nothing more."""

        @functools.wraps(method)
        def call(consumer: Any, *args: Any, **named: Any) -> Any:
            self.watched(consumer).called()
            return method(consumer, *args, **named)

        return call


def _enter_failed(polled: PollScope, error: Exception) -> None:
    """Make the message current that could not be deserialized: it is handled where the error is caught."""
    message = getattr(error, "kafka_message", None)
    if message is not None:
        polled.enter(message)
