"""The calls of an SQS client of botocore, through its event system: the same handlers for boto3 and aiobotocore.

Three events make a call: its parameters are complete (`before-parameter-build`), it was answered (`after-call`), it
failed on the way (`after-call-error`). What one call needs is kept in the context that botocore makes for each, so that
one client may be used by many threads and tasks. There is no event when botocore itself refuses the parameters, nor
when a task is cancelled: for these the call of this one client is guarded. Knows no client library: a client is what
has `meta.events`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from unbroken.clients.sqs_facts import SYSTEM, Queue, Received, queue_at
from unbroken.clients.sqs_guard import Guard, Guarded, guard, unguard
from unbroken.messaging import semconv
from unbroken.messaging.forward import ATTEMPT, ERROR, ORIGIN, SOURCE
from unbroken.messaging.policy import active_policy
from unbroken.messaging.polled import PollSwitch
from unbroken.messaging.receive import receive
from unbroken.messaging.semconv import Attributes
from unbroken.messaging.send import Sending, start_send
from unbroken.messaging.settle import settle
from unbroken.messaging.tracing import log_internal_error
from unbroken.propagation import propagators, w3c, xray
from unbroken.propagation.carriers import ATTRIBUTES, AttributesCarrier, Fields, Names
from unbroken.propagation.context import current, is_suppressed

_KEY = "unbroken"
"""Where the context of a call keeps what is ours."""

SIZE_LIMITS = (262_144, 1_048_576)
"""Octets of a message, or of a whole batch: what SQS took until August 2025 (other servers still do), and takes now."""

UNSAID = "_OTHER"
"""`error.type` where the service says no code."""

_MESSAGE_ATTRIBUTES = (*w3c.FIELDS, ORIGIN, SOURCE, ATTEMPT, ERROR)
_SYSTEM_ATTRIBUTES = (xray.FIELD, "ApproximateReceiveCount", "SentTimestamp")
_ALL = frozenset(("All", ".*"))


def instrument(client: Any, guarded: type[Guarded], polling: PollSwitch | None = None) -> None:
    """Trace the calls of a client, guarded in the way of its library; once is enough.

    Args:
        client: of botocore.
        guarded: what guards its calls.
        polling: the switch of the application's instrumentation; None: until `uninstrument`.

    Raises:
        TypeError: not a client of SQS.
    """
    if not is_sqs(client):
        raise TypeError(f"instrument() takes a client or a resource of SQS, not {type(client).__qualname__}")
    for event, handler in _handlers(client.meta.endpoint_url, polling):
        # The last: what other handlers add to a message counts for its limits, what they change in an answer is read.
        client.meta.events.register_last(event, handler, unique_id=f"unbroken.{event}")
    guard(client, guarded)


def uninstrument(client: Any) -> None:
    """Leave the calls of a client alone again; nothing where it is not instrumented."""
    for event, _ in _handlers("", None):
        client.meta.events.unregister(event, unique_id=f"unbroken.{event}")
    unguard(client)


def is_sqs(client: Any) -> bool:
    """Return whether this is a client of SQS."""
    meta = getattr(client, "meta", None)
    return hasattr(meta, "events") and getattr(getattr(meta, "service_model", None), "service_name", "") == "sqs"


class _Call:
    """One call between its events."""

    __slots__ = ("_is_over",)

    def __init__(self) -> None:
        self._is_over = False

    def end(self, parsed: dict[str, Any] | None, error: BaseException | str | None) -> None:
        """Take what the service answered, and the error or its code; once, and never raises."""
        if self._is_over:
            return
        self._is_over = True
        try:
            self._end(parsed or {}, error)
        except Exception as failure:
            log_internal_error("the end of a call", failure)

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        raise NotImplementedError


_Begun = Callable[[dict[str, Any], Queue], _Call]
"""What begins a call: takes its parameters, which it may replace, and the queue."""


class _Sends(_Call):
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
        refused = {entry.get("Id"): entry.get("Code", UNSAID) for entry in parsed.get("Failed", ())}
        for name, sending in self._sendings:
            message_id = taken.get(name, {}).get("MessageId")
            told = {semconv.MESSAGE_ID: message_id, **request} if message_id else request
            sending.end(error if error is not None else refused.get(name), told)


class _Receives(_Call):
    """A poll: a span when it brought messages."""

    __slots__ = ("_queue", "_started")

    def __init__(self, queue: Queue) -> None:
        super().__init__()
        self._queue = queue
        self._started = time.time_ns()

    def _end(self, parsed: dict[str, Any], error: BaseException | str | None) -> None:
        messages = parsed.get("Messages")
        if error is not None or not messages:
            return
        queue = self._queue
        received = parsed["Messages"] = [Received(message, queue) for message in messages]
        with receive(received, {**queue.attributes, **_request(parsed)}, start_time=self._started):
            pass  # the span is of the poll: how the messages are handled is not known here
        for message in received:
            message.is_counted = True


class _Settles(_Call):
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
            error = refused[0].get("Code", UNSAID)
        attributes: Attributes = {semconv.SYSTEM: SYSTEM, **self._queue.attributes, **_request(parsed)}
        with settle(
            self._operation, self._receipts, attributes, start_time=self._started, is_final=self._is_final
        ) as settling:
            settling.end(error)


class _Room(AttributesCarrier):
    """The attributes of messages that together may hold so many more octets; what does not fit is left out."""

    def __init__(self, octets: int) -> None:
        self._octets = octets

    def replaced(self, headers: Any, fields: Fields, names: Names) -> Any:
        fitting: Fields = []
        for name, value in fields:
            length = len(name) + len("String") + len(value)
            if length <= self._octets:
                self._octets -= length
                fitting.append((name, value))
        return super().replaced(headers, fitting, names)


def _request(parsed: dict[str, Any]) -> Attributes:
    """Return the id of the request, by which AWS finds it again."""
    request_id = parsed.get("ResponseMetadata", {}).get("RequestId")
    return {semconv.AWS_REQUEST_ID: request_id} if request_id else {}


def _handlers(endpoint: str, polling: PollSwitch | None) -> list[tuple[str, Callable[..., None]]]:
    """Return each event with its handler."""
    found: list[tuple[str, Callable[..., None]]] = []
    for operation, begun in _OPERATIONS.items():
        found += [
            (f"before-parameter-build.sqs.{operation}", _Beginning(endpoint, begun, polling)),
            (f"after-call.sqs.{operation}", _answered),
            (f"after-call-error.sqs.{operation}", _failed),
        ]
    return found


class _Beginning:
    """The handler for the parameters of one operation."""

    __slots__ = ("_begun", "_endpoint", "_polling")

    def __init__(self, endpoint: str, begun: _Begun, polling: PollSwitch | None) -> None:
        self._endpoint = endpoint
        self._begun = begun
        self._polling = polling

    def __call__(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        try:
            if self._polling is not None and not self._polling.is_on:
                return
            # A URL that is signed for somebody else to use is no call, and its parameters are the caller's own.
            if context.get("is_presign_request") or is_suppressed(current()):
                return
            url = params.get("QueueUrl")
            if not isinstance(url, str):
                return
            queue = queue_at(url, self._endpoint)
            if active_policy().covers(queue.name):
                call = context[_KEY] = self._begun(params, queue)
                if (around := Guard.current.get()) is not None:
                    around.call = call
        except Exception as error:  # parameters that botocore will refuse, in its own words
            log_internal_error("the beginning of a call", error)


def _answered(http_response: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    call: _Call | None = context.pop(_KEY, None)
    if call is not None:
        is_error = http_response.status_code >= 300  # botocore looks at the same, next
        call.end(parsed, parsed.get("Error", {}).get("Code", UNSAID) if is_error else None)


def _failed(exception: BaseException, context: dict[str, Any], **_: Any) -> None:
    call: _Call | None = context.pop(_KEY, None)
    if call is not None:
        call.end(None, exception)


def _send(params: dict[str, Any], queue: Queue) -> _Call:
    call = _Sends()
    _begin(call, None, params, queue, _carrier(_size(params)))
    return call


def _send_batch(params: dict[str, Any], queue: Queue) -> _Call:
    call = _Sends()
    entries: list[dict[str, Any]] = [dict(entry) for entry in params["Entries"]]
    params["Entries"] = entries
    carrier = _carrier(sum(map(_size, entries)))
    try:
        for entry in entries:
            _begin(call, str(entry.get("Id")), entry, queue, carrier)
    except BaseException as error:
        call.end(None, error)
        raise
    return call


def _begin(call: _Sends, name: str | None, message: dict[str, Any], queue: Queue, carrier: AttributesCarrier) -> None:
    """Start to send one message: `message` is changed, none of the objects in it is."""
    given = message.get("MessageAttributes")
    sending = start_send(queue.name, given, lambda: _sent(queue), carrier)
    call.add(name, sending)
    if sending.headers:
        message["MessageAttributes"] = sending.headers


def _sent(queue: Queue) -> Attributes:
    return {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "send",
        semconv.OPERATION_TYPE: "send",
        **queue.attributes,
    }


def _carrier(size: int) -> AttributesCarrier:
    """Return the carrier for messages of this size: we must not be what makes them too large."""
    for limit in SIZE_LIMITS:
        if size <= limit:
            return _Room(limit - size)
    return ATTRIBUTES  # too large already


def _size(message: dict[str, Any]) -> int:
    """Return the size of a message as SQS counts it: body and attributes, with their names and types."""
    size = _octets(message.get("MessageBody"))
    attributes: dict[str, dict[str, object]] = message.get("MessageAttributes") or {}
    for name, attribute in attributes.items():
        size += _octets(name) + sum(map(_octets, attribute.values()))
    return size


def _octets(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, (bytes, bytearray)) else 0


def _receive(params: dict[str, Any], queue: Queue) -> _Call:
    used = propagators.in_use()
    wanted = (*_MESSAGE_ATTRIBUTES, *sorted(used.foreign.fields)) if used.foreign else _MESSAGE_ATTRIBUTES
    _ask(params, "MessageAttributeNames", wanted)
    # The older name only with those who use it themselves.
    _ask(params, "AttributeNames" if "AttributeNames" in params else "MessageSystemAttributeNames", _SYSTEM_ATTRIBUTES)
    return _Receives(queue)


def _ask(params: dict[str, Any], parameter: str, wanted: Sequence[str]) -> None:
    """Add names to those that the caller asks for, whose list stays as it is."""
    asked: list[Any] = list(params.get(parameter) or ())
    if _ALL.isdisjoint(asked):
        params[parameter] = asked + [name for name in wanted if name not in asked]


def _settling(operation: str, is_final: bool) -> _Begun:
    """Return what begins a call that settles one message, or as many as it has entries."""

    def begun(params: dict[str, Any], queue: Queue) -> _Call:
        receipts = [entry.get("ReceiptHandle") for entry in params.get("Entries", (params,))]
        return _Settles(queue, operation, receipts, is_final)

    return begun


_OPERATIONS: dict[str, _Begun] = {
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "ReceiveMessage": _receive,
    "DeleteMessage": _settling("delete", is_final=True),
    "DeleteMessageBatch": _settling("delete", is_final=True),
    "ChangeMessageVisibility": _settling("change_visibility", is_final=False),
    "ChangeMessageVisibilityBatch": _settling("change_visibility", is_final=False),
}
