"""SQS without a change in the application: the message of a poll that asks for one is current until the next poll.

A poll that asks for several gives a span with links, and no message of it is current.
"""

from __future__ import annotations

from typing import Any

from unbroken.messaging.polled import Polled, Polling

_ASKED = "unbroken-one"


def poll(client: Any, polling: Polling) -> None:
    """Let the messages of a client of SQS become current while `polling` is on."""
    polls = _Polls(polling)
    events = client.meta.events
    events.register_first("before-parameter-build.sqs.ReceiveMessage", polls.begin, unique_id="unbroken.poll")
    # The last: the message knows its queue by then.
    events.register_last("after-call.sqs.ReceiveMessage", polls.end, unique_id="unbroken.polled")


class _Polls:
    """The polls of one client, which keeps it by its events."""

    __slots__ = ("_polled",)

    def __init__(self, polling: Polling) -> None:
        self._polled = Polled(polling)

    def begin(self, params: Any, context: dict[str, Any], **_: Any) -> None:
        """End the message before, and note whether one is asked for, which SQS takes for granted."""
        self._polled.leave()
        context[_ASKED] = isinstance(params, dict) and params.get("MaxNumberOfMessages", 1) == 1  # pyright: ignore[reportUnknownMemberType]

    def end(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Make the message current that came."""
        messages: Any = parsed.get("Messages")
        if context.pop(_ASKED, False) and messages:
            self._polled.enter(messages[0])
