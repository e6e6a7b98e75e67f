"""SQS without a change in the application: every client is traced from its first call on, however it was made.

The message of a poll that asks for one is current until the next poll. A client is no consumer, threads and tasks may
share it: the next poll is that of the same thread, or task, by the same client. Of a poll that asks for several each
message is current in its turn of a loop over them.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from unbroken.clients.patches import Patch, ZeroCode
from unbroken.clients.sqs.call_block import MAKE_CALL, CallBlock
from unbroken.clients.sqs.calls import is_sqs, trace_client
from unbroken.clients.sqs.messages import Received
from unbroken.messaging.polled import PollScope, PollSwitch
from unbroken.messaging.tracing import log_internal_error

_ASKED = "unbroken-one"


def zero_code_of(base: type, *, is_async: bool) -> ZeroCode:
    """Return what zero-code instrumentation does to a library whose clients all have this base.

    Its call is replaced, so clients and resources that were made before are reached as well.
    """
    clients = _Clients()
    wrap = clients.wrap_async_call if is_async else clients.wrap_call
    return ZeroCode(lambda: (Patch(base, MAKE_CALL, wrap),), clients.switch)


class _Clients:
    """The clients of one library that have made a call."""

    def __init__(self) -> None:
        self.switch = PollSwitch()
        self._known: WeakSet[Any] = WeakSet()
        self._adding = threading.Lock()

    def wrap_call(self, original: Any) -> Callable[..., Any]:
        """Return the call of a client, which traces the client first."""

        @functools.wraps(original)
        def make_call(client: Any, *args: Any, **named: Any) -> Any:
            self._trace(client)
            with CallBlock():
                return _bound(original, client)(*args, **named)

        return make_call

    def wrap_async_call(self, original: Any) -> Callable[..., Any]:
        """Return the same of a client whose calls are awaited."""

        @functools.wraps(original)
        async def make_call(client: Any, *args: Any, **named: Any) -> Any:
            self._trace(client)
            with CallBlock():
                return await _bound(original, client)(*args, **named)

        return make_call

    def _trace(self, client: Any) -> None:
        """Trace a client from now on, if it is one of SQS, while the switch is on. Never raises."""
        try:
            if not self.switch.is_on or not is_sqs(client) or client in self._known:
                return
            with self._adding:
                if client not in self._known:
                    trace_client(client, self.switch)
                    _trace_polls(client, _Polls(self.switch))
                    self._known.add(client)
        except Exception as error:
            log_internal_error("a new client", error)


def _trace_polls(client: Any, polls: _Polls) -> None:
    events = client.meta.events
    events.register_first("before-parameter-build.sqs.ReceiveMessage", polls.start, unique_id="unbroken.poll")
    # The last: the message knows its queue by then.
    events.register_last("after-call.sqs.ReceiveMessage", polls.end, unique_id="unbroken.polled")


def _bound(original: Any, client: Any) -> Any:
    """Return the method of a client; the wrapper of another instrumentation knows its object only when it is bound."""
    return original.__get__(client, type(client))


class _Polls:
    """The polls of one client, which keeps it by its events; whoever polls is forgotten with its thread or task."""

    __slots__ = ("_polled", "_switch")

    def __init__(self, switch: PollSwitch) -> None:
        self._switch = switch
        self._polled: WeakKeyDictionary[Any, PollScope] = WeakKeyDictionary()

    def start(self, params: Any, context: dict[str, Any], **_: Any) -> None:
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
            polled = self._polled[caller] = PollScope(self._switch)
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
