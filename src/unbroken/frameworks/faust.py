"""faust-streaming: a drop-in `App` whose messages carry the trace.

    from unbroken.frameworks.faust import App

A subclass of the framework's class of the same name. The process span of an event is current in the processors of its
stream, in the body of the agent until it asks for the next one, in its sinks and replies, and while the framework deals
with the error of an agent. Each agent that gets an event has a span of its own.

`topic.send`, `send_soon`, `event.forward`, `agent.send`, `cast` and `ask` make one PRODUCER span per message, which
ends when the broker has it; a message of an in-memory channel carries the context without spans. Changelog topics are
left alone: they hold the state of the application, not messages.

The events of `stream.take_events` are handled by the application in batches: `with process(event)` around each. An
`Event` and a `Message` of the framework are messages: `forward(event, error=error)` are the headers of a dead letter.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from unbroken.errors import required

with required("faust"):
    import faust
    from faust.channels import Channel as FaustChannel
    from faust.events import Event
    from faust.sensors import Sensor
    from faust.topics import Topic as FaustTopic
    from faust.types.tuples import Message
from opentelemetry.context import Context

from unbroken.clients.kafka.attributes import (
    PER_MESSAGE,
    HasClientAttributes,
    client_attributes,
    known_attributes,
    process_attributes,
    send_attributes,
)
from unbroken.clients.kafka.producers import DeliveryCallback
from unbroken.messaging import semconv
from unbroken.messaging.loop import LoopScope
from unbroken.messaging.message import MessageType, extract, register
from unbroken.messaging.scope import SCOPE_KEY
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation.carriers import Fields, Names, Pairs, PairsCarrier, carrier_of
from unbroken.propagation.context import attached, current, inject

__all__ = ["App", "Channel", "Topic"]


class _Headers(PairsCarrier):
    """Headers as the framework takes them, pairs or a mapping of octets, and written as its client does, a list."""

    def pairs(self, headers: Any) -> Pairs:
        return carrier_of(headers).pairs(headers)

    def replaced(self, headers: Any, fields: Fields, names: Names) -> Any:
        return super().replaced(list(self.pairs(headers)), fields, names)


_HEADERS = _Headers()


def _message_type(of: Any) -> MessageType:
    """Return how a message is read; `of` returns the framework's `Message` of it."""

    def attributes(one: Any) -> Attributes:
        message = of(one)
        topic, partition, offset = message.topic, message.partition, message.offset
        return process_attributes(topic, partition, offset, message.key, message.value is None)

    return MessageType(
        system="kafka",
        carrier=_HEADERS,
        headers=lambda one: of(one).headers,
        destination=lambda one: of(one).topic,
        attributes=attributes,
        per_message_attributes=PER_MESSAGE,
        source=lambda one: f"{of(one).topic}/{of(one).partition}/{of(one).offset}",
        timestamp=lambda one: of(one).timestamp,
        consumer=known_attributes,
    )


register(Event, _message_type(lambda event: event.message))
register(Message, _message_type(lambda message: message))


class App(faust.App):
    """A `faust.App` whose messages carry the trace; it takes the same arguments."""

    def __init__(self, *args: Any, **named: Any) -> None:
        named.setdefault("Topic", Topic)
        super().__init__(*args, **named)
        self._unbroken_tracing = Tracing(self)
        self.sensors.add(self._unbroken_tracing)
        # Agents are made with this; an attribute is around the method of a subclass too.
        on_error: Callable[[Any, BaseException], Awaitable[None]] = getattr(self, "_on_agent_error")  # noqa: B009
        self._on_agent_error = functools.partial(self._unbroken_failed, on_error)

    @cached_property
    def unbroken_attributes(self) -> Attributes:
        """The attributes that it puts on the spans of its messages; read when its configuration is complete."""
        return client_attributes(self.conf.broker_client_id, None, [str(url) for url in self.conf.broker])

    def channel(self, **named: Any) -> Any:
        """Return an in-memory channel, as the framework does, whose messages carry the context."""
        return Channel(self, **named)

    async def _unbroken_failed(
        self, on_error: Callable[[Any, BaseException], Awaitable[None]], agent: Any, exc: BaseException
    ) -> None:
        # The handler's stream is closed by the event loop meanwhile, in another task: the span is kept from that.
        handled = self._unbroken_tracing.taken_over()
        try:
            await on_error(agent, exc)
        finally:
            for scope in handled:
                scope.close(exc)


class Topic(FaustTopic):
    """A `faust.Topic` whose messages carry the trace; a class given as `App(Topic=...)` inherits from it."""

    def as_future_message(self, *args: Any, **named: Any) -> Any:
        """Return the promise of a message, as the framework does; it keeps the context in which it was made.

        Another task may publish it: that of `send_soon`, or of the commit with `stream_publish_on_commit`.
        """
        future: Any = super().as_future_message(*args, **named)
        future.unbroken_context = current()
        return future

    def send_soon(self, *, headers: Any = None, **named: Any) -> Any:
        """Send a message from code that cannot wait, as the framework does."""
        if self.app.conf.producer_threaded and not self._unbroken_is_changelog():
            headers = _injected(headers)  # another thread publishes it, past `publish_message`
        return super().send_soon(headers=headers, **named)

    async def publish_message(self, fut: Any, wait: bool = False) -> Any:
        """Publish a message, as the framework does; its span ends when the broker has it, or has refused it."""
        sending = self._unbroken_sending(fut)
        if sending is None:
            return await super().publish_message(fut, wait)
        try:
            published: Any = await super().publish_message(fut, wait)
        except BaseException as error:
            sending.end(error)
            raise
        if sending.is_observed:
            published.add_done_callback(DeliveryCallback(sending))
        return published

    def _unbroken_sending(self, future: Any) -> Sending | None:
        """Return the sending of a message, whose headers are the future's now; None when it is left alone."""
        around: Context | None = getattr(future, "unbroken_context", None)
        if around is None or self._unbroken_is_changelog():
            return None
        try:
            message = future.message
            topic: str = self._topic_name_or_default(message.channel)
            client: Attributes = getattr(self.app, "unbroken_attributes", {})
            with attached(around):
                sending = start_send(
                    topic,
                    message.headers,
                    lambda: send_attributes(topic, message.partition, message.key, message.value is None, client),
                    _HEADERS,
                )
            future.message = message._replace(headers=sending.headers)
        except Exception as failure:
            log_internal_error("send", failure)
            return None
        return sending

    def _unbroken_is_changelog(self) -> bool:
        changelogs = self.app.tables.changelog_topics
        return bool(changelogs) and not changelogs.isdisjoint(self.topics)


class Channel(FaustChannel[Any]):
    """A `faust.Channel`, in memory, whose messages carry the context."""

    def as_future_message(self, *args: Any, **named: Any) -> Any:
        """Return the promise of a message, as the framework does, with the current context in its headers."""
        future: Any = super().as_future_message(*args, **named)
        future.message = future.message._replace(headers=_injected(future.message.headers))
        return future


def _injected(headers: Any) -> Any:
    try:
        return inject(list(_HEADERS.pairs(headers)))
    except Exception as failure:
        log_internal_error("inject", failure)
        return headers


class Tracing(HasClientAttributes, Sensor):
    """The sensor that opens and ends the process span of each event."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app
        self._open: dict[Any, EventScope] = {}  # one for each stream: it has no second event before the first is over

    # ARG002: the framework names the arguments of its hooks.
    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> None:  # noqa: ARG002
        """Make the span of an event current in the task of the stream."""
        try:
            if (last := self._open.pop(stream, None)) is not None:  # its processor has failed, or it is not acked yet
                last.close()
            # The framework collects such a stream for `take`, in a task of its own.
            if not (stream._passive and not stream.enable_acks):  # noqa: SLF001 - nothing public tells it
                self._open[stream] = self._enter(event)
        except Exception as failure:
            log_internal_error("process", failure)

    def on_stream_event_out(
        self,
        tp: Any,  # noqa: ARG002
        offset: int,  # noqa: ARG002
        stream: Any,
        event: Any,
        state: Any = None,  # noqa: ARG002
    ) -> None:
        """End the span of an event that a stream is done with."""
        try:
            found = self._open.get(stream)
            if found is None or found.message is not event:  # acked by hand, maybe through another object of the stream
                stream = next(
                    (one for one, open_ in self._open.items() if open_.message is event and not one.enable_acks), None
                )
            if stream is not None:
                self._open.pop(stream).close()
        except Exception as failure:
            log_internal_error("process", failure)

    def taken_over(self) -> list[EventScope]:
        """Return the scopes of the events that this task handles, the innermost first; the caller closes them."""
        task = asyncio.current_task()
        streams = [stream for stream, scope in self._open.items() if scope.task is task]
        return [self._open.pop(stream) for stream in reversed(streams)]

    async def on_stop(self) -> None:
        """End the spans of events that nobody will end."""
        while self._open:
            self._open.popitem()[1].close()

    def _enter(self, event: Any) -> EventScope:
        if not self.unbroken_attributes:
            self.unbroken_attributes = {**self._app.unbroken_attributes, semconv.GROUP: self._app.conf.id}
        scope = EventScope(event, self)
        scope.open()
        return scope


class EventScope(LoopScope):
    """The scope of one event on its way through one stream.

    Attributes:
        task: the task of its handler.
    """

    __slots__ = ("task",)

    def __init__(self, event: Any, consumer: HasClientAttributes) -> None:
        super().__init__(event, consumer)
        self.task = asyncio.current_task()

    def _open(self, ambient: Context) -> Context | None:
        message = self.message.message  # type: ignore[attr-defined]
        if message.topic is not None:
            return super()._open(ambient)
        # Of a channel in memory: nothing that a broker would know.
        return Context({**ambient, **extract(message), SCOPE_KEY: self})
