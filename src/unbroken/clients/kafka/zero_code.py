"""What zero-code instrumentation does with the calls of a Kafka consumer, whichever the client.

Each function takes a method of a consumer and returns what stands in its place: while the client is instrumented, the
record of a call that gives one is current until the consumer's next call or close; of a call that gives several each is
current in its turn of a loop over them.

Knows no client library; the modules named after the clients say which methods these are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any, TypeGuard

from unbroken.clients.kafka.attributes import HasClientAttributes
from unbroken.errors import UnknownMessage
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.tracing import log_internal_error

Method = Callable[..., Any]
STATE = "unbroken_state"
"""The attribute of a consumer that keeps its `ConsumerState`."""


class ConsumerState(HasClientAttributes):
    """What is kept for one consumer: its open record, and what it knows for the spans.

    Attributes:
        thread: the thread that is in a call of the consumer; a method that such a call makes is part of it.
    """

    def __init__(self, switch: PollSwitch, attributes: Attributes) -> None:
        self.unbroken_attributes = attributes
        self.polled = PollScope(switch, attributes)
        self.thread: int | None = None
        self._switch = switch

    def hand_out(self, messages: Any, *, one: bool, started: int) -> Any:
        """Trace the messages of a call and return what the application gets.

        Args:
            messages: in a list, or in lists by partition; several become current in their turns.
            one: whether the application asked for one message; then it becomes current.
            started: when the call began, nanoseconds since the epoch.
        """
        if not messages or not self._switch.is_on:
            return messages
        try:
            if one:
                self.polled.enter(_first(messages))
                return messages
            with receive(messages, self, start_time=started):
                pass
            if not _is_by_partition(messages):
                return self.polled.hand_out(messages)
            return {partition: self.polled.hand_out(records) for partition, records in messages.items()}
        except UnknownMessage:  # the double of a test: handed on
            return messages
        except Exception as error:
            log_internal_error("a poll", error)
            return messages


def _is_by_partition(messages: Any) -> TypeGuard[Mapping[Any, list[Any]]]:
    return isinstance(messages, Mapping)


def _first(messages: Any) -> Any:
    """Return the only message of a poll that asked for one."""
    return next(iter(messages.values()))[0] if _is_by_partition(messages) else messages[0]


class Consumers:
    """The consumers of one client library, and the methods that stand in place of theirs.

    Args:
        attributes: what a plain consumer knows without asking the broker.
    """

    def __init__(self, attributes: Callable[[Any], Attributes]) -> None:
        self.switch = PollSwitch()
        self._attributes = attributes

    def state_of(self, consumer: Any) -> ConsumerState:
        """Return what is kept for a consumer, made when it is seen first."""
        try:
            found: ConsumerState = consumer.unbroken_state
        except AttributeError:
            found = ConsumerState(self.switch, self._attributes_of(consumer))
            setattr(consumer, STATE, found)
        return found

    def call(self, consumer: Any) -> ConsumerState:
        """End what the consumer gave before, as it is called again, and return what is kept for it."""
        state = self.state_of(consumer)
        state.polled.leave()
        return state

    def wrap_poll(self, method: Method) -> Method:
        """Return a method that gives one message, or None."""

        @functools.wraps(method)
        def call(consumer: Any, *args: Any, **named: Any) -> Any:
            try:
                state: ConsumerState = consumer.unbroken_state
            except AttributeError:
                state = self.state_of(consumer)
            thread = get_ident()
            if state.thread == thread:
                return method(consumer, *args, **named)
            state.polled.leave()
            state.thread = thread
            try:
                message = method(consumer, *args, **named)
            except Exception as error:
                _enter_failed(state.polled, error)
                raise
            finally:
                state.thread = None
            if message is not None:
                state.polled.enter(message)
            return message

        return call

    def wrap_async_poll(self, method: Method) -> Method:
        """Return a coroutine method that gives one message, or None."""

        @functools.wraps(method)
        async def call(consumer: Any, *args: Any, **named: Any) -> Any:
            polled = self.call(consumer).polled
            message = await method(consumer, *args, **named)
            if message is not None:
                polled.enter(message)
            return message

        return call

    def wrap_close(self, method: Method) -> Method:
        """Return a method after which the consumer gives nothing more."""

        @functools.wraps(method)
        def call(consumer: Any, *args: Any, **named: Any) -> Any:
            self.call(consumer)
            return method(consumer, *args, **named)

        return call

    def _attributes_of(self, consumer: Any) -> Attributes:
        if isinstance(consumer, HasClientAttributes):  # a drop-in class
            return consumer.unbroken_attributes
        try:
            return self._attributes(consumer)
        except Exception as error:
            log_internal_error("a consumer", error)
            return {}


def _enter_failed(polled: PollScope, error: Exception) -> None:
    """Make the message current that could not be deserialized: it is handled where the error is caught."""
    message = getattr(error, "kafka_message", None)
    if message is not None:
        polled.enter(message)
