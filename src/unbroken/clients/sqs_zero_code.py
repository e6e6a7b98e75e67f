"""SQS without a change in the application: the message of a poll that asks for one is current until the next poll.

A client is no consumer, threads and tasks may share it: the next poll is that of the same thread, or task, by the same
client. A poll that asks for several gives a span with links, and no message of it is current.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from weakref import WeakKeyDictionary

from unbroken.clients import sqs_calls
from unbroken.clients.sqs_facts import Received
from unbroken.clients.sqs_guard import Guarded
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.tracing import log_internal_error

_ASKED = "unbroken-one"


def trace(client: Any, guarded: type[Guarded], polling: PollSwitch) -> None:
    """Trace the calls of a client that was just made, if it is one of SQS, while `polling` is on. Never raises."""
    try:
        if not sqs_calls.is_sqs(client):
            return
        sqs_calls.instrument(client, guarded, polling)
        polls = _Polls(polling)
        events = client.meta.events
        events.register_first("before-parameter-build.sqs.ReceiveMessage", polls.begin, unique_id="unbroken.poll")
        # The last: the message knows its queue by then.
        events.register_last("after-call.sqs.ReceiveMessage", polls.end, unique_id="unbroken.polled")
    except Exception as error:
        log_internal_error("a new client", error)


class _Polls:
    """The polls of one client, which keeps it by its events; whoever polls is forgotten with its thread or task."""

    __slots__ = ("_polled", "_polling")

    def __init__(self, polling: PollSwitch) -> None:
        self._polling = polling
        self._polled: WeakKeyDictionary[Any, PollScope] = WeakKeyDictionary()

    def begin(self, params: Any, context: dict[str, Any], **_: Any) -> None:
        """End the message before, and note whether one is asked for, which SQS takes for granted."""
        if (polled := self._polled.get(_caller())) is not None:
            polled.leave()
        context[_ASKED] = isinstance(params, dict) and params.get("MaxNumberOfMessages", 1) == 1  # pyright: ignore[reportUnknownMemberType]

    def end(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Make the message current that came, or each of several in its turn."""
        messages: Any = parsed.get("Messages")
        is_one = context.pop(_ASKED, False)
        # A message as the service gave it is of a queue that is left alone.
        if not messages or not isinstance(messages[0], Received):
            return
        caller = _caller()
        if (polled := self._polled.get(caller)) is None:
            polled = self._polled[caller] = PollScope(self._polling)
        if is_one:
            polled.enter(messages[0])
        else:
            parsed["Messages"] = polled.hand_out(messages)


def _caller() -> Any:
    """Return the task that is running, else the thread."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        task = None
    return task if task is not None else threading.current_thread()
