"""The calls of an SQS client of botocore, through its event system: the same handlers for boto3 and aiobotocore.

Three events make a call: its parameters are complete (`before-parameter-build`), it was answered (`after-call`), it
failed on the way (`after-call-error`). What one call needs is kept in the context that botocore makes for each, so that
one client may be used by many threads and tasks. There is no event when botocore itself refuses the parameters, nor
when a task is cancelled: these are seen by the block of the call (`call_block.py`). Knows no client library: a client
is what has `meta.events`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from unbroken.clients.sqs.call_block import Call, CallBlock
from unbroken.clients.sqs.messages import RECEIVED, SYSTEM, Received
from unbroken.clients.sqs.queues import Queue, queue_at
from unbroken.clients.sqs.sizes import carrier_for_size, size_of
from unbroken.messaging import consumed, semconv
from unbroken.messaging.forward import ATTEMPT, ERROR, ORIGIN, SOURCE
from unbroken.messaging.policy import active_policy
from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.settle import settle
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation import propagators, w3c, xray
from unbroken.propagation.carriers import AttributesCarrier
from unbroken.propagation.context import current, is_suppressed

_KEY = "unbroken"
"""Where the context of a call keeps what is ours."""

OTHER_ERROR = "_OTHER"
"""`error.type` where the service says no code."""

_MESSAGE_ATTRIBUTES = (*w3c.FIELDS, ORIGIN, SOURCE, ATTEMPT, ERROR)
_SYSTEM_ATTRIBUTES = (xray.FIELD, "ApproximateReceiveCount", "SentTimestamp")
_ALL = frozenset(("All", ".*"))


def trace_client(client: Any, switch: PollSwitch | None = None) -> None:
    """Handle the events of a client; once is enough.

    Args:
        client: of SQS.
        switch: that of the application's instrumentation; None: until `leave_client`.
    """
    for event, handler in _handlers(client.meta.endpoint_url, switch):
        # The last: what other handlers add to a message counts for its limits, what they change in an answer is read.
        client.meta.events.register_last(event, handler, unique_id=f"unbroken.{event}")


def leave_client(client: Any) -> None:
    """Leave the events of a client alone again; nothing where they are not handled."""
    for event, _ in _handlers("", None):
        client.meta.events.unregister(event, unique_id=f"unbroken.{event}")


def is_sqs(client: Any) -> bool:
    """Return whether this is a client of SQS."""
    meta = getattr(client, "meta", None)
    return hasattr(meta, "events") and getattr(getattr(meta, "service_model", None), "service_name", "") == "sqs"


_StartCall = Callable[[dict[str, Any], Queue], Call]
"""What starts a call: takes its parameters, which it may replace, and the queue."""


class _SendCall(Call):
    """A call that sends messages: their spans by the ids of the entries, the only one under None."""

    __slots__ = ("_sendings",)

    def __init__(self) -> None:
        super().__init__()
        self._sendings: list[tuple[str | None, Sending]] = []

    def add(self, name: str | None, sending: Sending) -> None:
        """Take one message more."""
        self._sendings.append((name, sending))

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        request = _request(parsed)
        taken: dict[Any, Any] = {None: parsed}
        taken.update((entry.get("Id"), entry) for entry in parsed.get("Successful", ()))
        refused = {entry.get("Id"): entry.get("Code", OTHER_ERROR) for entry in parsed.get("Failed", ())}
        for name, sending in self._sendings:
            message_id = taken.get(name, {}).get("MessageId")
            told = {semconv.MESSAGE_ID: message_id, **request} if message_id else request
            sending.end(error if error is not None else refused.get(name), told)


class _ReceiveCall(Call):
    """A poll: a span when it brought messages."""

    __slots__ = ("_queue", "_started")

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue
        self._started = time.time_ns()

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        messages = parsed.get("Messages")
        # What no service gives, the double of a test, is handed on as it is.
        if error is not None or not messages or not _are_messages(messages):
            return
        queue = self._queue
        received = parsed["Messages"] = [Received(message, queue) for message in messages]
        with receive(received, {**queue.attributes, **_request(parsed)}, start_time=self._started):
            pass  # the span is of the poll: how the messages are handled is not known here
        for message in received:
            consumed.note(RECEIVED, message)


class _SettleCall(Call):
    """A call that deletes messages, or changes how long they are invisible."""

    __slots__ = ("_is_final", "_operation", "_queue", "_receipts", "_started")

    def __init__(self, queue: Queue, operation: str, receipts: Sequence[Any], is_final: bool) -> None:
        super().__init__()
        self._queue = queue
        self._operation = operation
        self._receipts = receipts
        self._is_final = is_final
        self._started = time.time_ns()

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        refused = parsed.get("Failed")
        if error is None and refused:
            error = refused[0].get("Code", OTHER_ERROR)
        attributes: Attributes = {semconv.SYSTEM: SYSTEM, **self._queue.attributes, **_request(parsed)}
        with settle(
            self._operation, self._receipts, attributes, start_time=self._started, is_final=self._is_final
        ) as settling:
            settling.end(error)


def _are_messages(messages: object) -> TypeGuard[list[Mapping[str, Any]]]:
    if not isinstance(messages, list):
        return False
    found: list[object] = messages  # pyright: ignore[reportUnknownVariableType]
    return all(isinstance(message, Mapping) for message in found)


def _request(parsed: dict[str, Any]) -> Attributes:
    """Return the id of the request, by which AWS finds it again."""
    request_id = parsed.get("ResponseMetadata", {}).get("RequestId")
    return {semconv.AWS_REQUEST_ID: request_id} if request_id else {}


def _handlers(endpoint: str, switch: PollSwitch | None) -> list[tuple[str, Callable[..., None]]]:
    """Return each event with its handler."""
    found: list[tuple[str, Callable[..., None]]] = []
    for operation, start in _OPERATIONS.items():
        found += [
            (f"before-parameter-build.sqs.{operation}", _StartHandler(endpoint, start, switch)),
            (f"after-call.sqs.{operation}", _on_answer),
            (f"after-call-error.sqs.{operation}", _on_error),
        ]
    return found


class _StartHandler:
    """The handler for the parameters of one operation."""

    __slots__ = ("_endpoint", "_start", "_switch")

    def __init__(self, endpoint: str, start: _StartCall, switch: PollSwitch | None) -> None:
        self._endpoint = endpoint
        self._start = start
        self._switch = switch

    def __call__(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        try:
            if self._switch is not None and not self._switch.is_on:
                return
            # A URL that is signed for somebody else to use is no call, and its parameters are the caller's own.
            if context.get("is_presign_request") or is_suppressed(current()):
                return
            url = params.get("QueueUrl")
            if not isinstance(url, str):
                return
            queue = queue_at(url, self._endpoint)
            if active_policy().covers(queue.name):
                call = context[_KEY] = self._start(params, queue)
                if (around := CallBlock.current.get()) is not None:
                    around.call = call
        except Exception as error:  # parameters that botocore will refuse, in its own words
            log_internal_error("the start of a call", error)


def _on_answer(http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    call: Call | None = context.pop(_KEY, None)
    if call is not None:
        is_error = http_response.status_code >= 300  # botocore looks at the same, next
        call.end(parsed, parsed.get("Error", {}).get("Code", OTHER_ERROR) if is_error else None)


def _on_error(exception: BaseException, context: dict[str, Any], **_: Any) -> None:
    call: Call | None = context.pop(_KEY, None)
    if call is not None:
        call.end(None, exception)


def _start_send(params: dict[str, Any], queue: Queue) -> Call:
    call = _SendCall()
    _start_message(call, None, params, queue, carrier_for_size(size_of(params)))
    return call


def _start_send_batch(params: dict[str, Any], queue: Queue) -> Call:
    call = _SendCall()
    entries: list[dict[str, Any]] = [dict(entry) for entry in params["Entries"]]
    params["Entries"] = entries
    carrier = carrier_for_size(sum(map(size_of, entries)))
    try:
        for entry in entries:
            _start_message(call, str(entry.get("Id")), entry, queue, carrier)
    except BaseException as error:
        call.end(None, error)
        raise
    return call


def _start_message(
    call: _SendCall, name: str | None, message: dict[str, Any], queue: Queue, carrier: AttributesCarrier
) -> None:
    """Start to send one message: `message` is changed, none of the objects in it is."""
    given = message.get("MessageAttributes")
    sending = start_send(queue.name, given, lambda: _send_attributes(queue), carrier)
    call.add(name, sending)
    if sending.headers:
        message["MessageAttributes"] = sending.headers


def _send_attributes(queue: Queue) -> Attributes:
    return {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "send",
        semconv.OPERATION_TYPE: "send",
        **queue.attributes,
    }


def _start_receive(params: dict[str, Any], queue: Queue) -> Call:
    used = propagators.in_use()
    wanted = (*_MESSAGE_ATTRIBUTES, *sorted(used.foreign.fields)) if used.foreign else _MESSAGE_ATTRIBUTES
    _ask_for(params, "MessageAttributeNames", wanted)
    # The older name only with those who use it themselves.
    _ask_for(
        params, "AttributeNames" if "AttributeNames" in params else "MessageSystemAttributeNames", _SYSTEM_ATTRIBUTES
    )
    return _ReceiveCall(queue)


def _ask_for(params: dict[str, Any], parameter: str, wanted: Sequence[str]) -> None:
    """Add names to those that the caller asks for, whose list stays as it is."""
    asked: list[Any] = list(params.get(parameter) or ())
    if _ALL.isdisjoint(asked):
        params[parameter] = asked + [name for name in wanted if name not in asked]


def _start_settle(operation: str, is_final: bool) -> _StartCall:
    """Return what starts a call that settles one message, or as many as it has entries."""

    def start(params: dict[str, Any], queue: Queue) -> Call:
        receipts = [entry.get("ReceiptHandle") for entry in params.get("Entries", (params,))]
        return _SettleCall(queue, operation, receipts, is_final)

    return start


_OPERATIONS: dict[str, _StartCall] = {
    "SendMessage": _start_send,
    "SendMessageBatch": _start_send_batch,
    "ReceiveMessage": _start_receive,
    "DeleteMessage": _start_settle("delete", is_final=True),
    "DeleteMessageBatch": _start_settle("delete", is_final=True),
    "ChangeMessageVisibility": _start_settle("change_visibility", is_final=False),
    "ChangeMessageVisibilityBatch": _start_settle("change_visibility", is_final=False),
}
