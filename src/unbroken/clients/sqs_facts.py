"""What the messages of SQS have in common, whoever received them: the facts that go on the spans.

A message is a mapping as the API gives it (`MessageId`, `ReceiptHandle`, `Body`, ...), a record of a Lambda event
(`messageId`, `receiptHandle`, `body`, ...), or a `Message` resource of boto3. Knows no client library; the modules
named after the clients stand on it.
"""

from __future__ import annotations

import functools
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry.trace import SpanContext, TraceFlags

from unbroken.errors import InvalidHeader, UnknownMessage
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.policy import active_policy
from unbroken.messaging.semconv import Attributes
from unbroken.propagation import context, propagators, xray
from unbroken.propagation.carriers import ATTRIBUTES, AttributesCarrier, Fields, Names
from unbroken.propagation.context import NO_STATE, Origin

SYSTEM = "aws_sqs"
MAX_ENVELOPE = 1 << 20
"""Characters of a body that is looked at for an SNS envelope: the largest message of SQS."""

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, as far as it is known: its name and its URL, both empty where they are not.

    Attributes:
        name: the destination.
        url: for `aws.sqs.queue.url`.
        attributes: what it puts on the spans; never changed.
    """

    name: str = ""
    url: str = ""
    attributes: Attributes = field(default_factory=dict[str, Any])


UNKNOWN = Queue()
"""The queue of a message that does not say where it comes from."""


@functools.lru_cache(maxsize=1024)
def queue_at(url: str, endpoint: str = "") -> Queue:
    """Return the queue of a URL or an ARN.

    >>> queue_at("https://sqs.eu-west-1.amazonaws.com/123456789012/orders").name
    'orders'
    >>> queue_at("arn:aws:sqs:eu-west-1:123456789012:orders").attributes
    {'messaging.destination.name': 'orders'}

    Args:
        url: of the queue.
        endpoint: the URL that a client talks to, where it is known; else the queue's own says the server.
    """
    is_arn = url.startswith("arn:")
    name = url.rpartition(":")[2] if is_arn else url.rstrip("/").rpartition("/")[2]
    attributes: Attributes = {semconv.DESTINATION: name} if name else {}
    if not is_arn and "/" in url:
        attributes[semconv.SQS_QUEUE_URL] = url
    return Queue(name, "" if is_arn else url, {**attributes, **server_at(endpoint or url)})


def server_at(url: str) -> Attributes:
    """Return address and port of the server in a URL; nothing where it names none.

    >>> server_at("https://sqs.eu-west-1.amazonaws.com")
    {'server.address': 'sqs.eu-west-1.amazonaws.com', 'server.port': 443}
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # a port that is no number, half an IPv6 address
        return {}
    if not parts.hostname or port is None:
        return {}
    return {semconv.SERVER_ADDRESS: parts.hostname, semconv.SERVER_PORT: port}


class Received(dict[str, Any]):
    """A message as an instrumented client gives it: the same dict, which knows its queue. Pickled it is a plain one."""

    __slots__ = ("queue",)

    def __init__(self, message: Mapping[str, Any], queue: Queue) -> None:
        super().__init__(message)
        self.queue = queue

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


def message_type(message: object) -> MessageType:
    """Return how a message of SQS is read.

    Raises:
        UnknownMessage: a resource of boto3 that is no message.
    """
    if isinstance(message, Mapping):
        return MESSAGE if "ReceiptHandle" in message else RECORD
    if hasattr(message, "receipt_handle") and hasattr(message, "queue_url"):
        return RESOURCE
    raise UnknownMessage(message)


def queue_attributes(queue: Any) -> Attributes:
    """Return what the second argument of `process` tells: a queue's URL or ARN, a `Queue` resource, or a client."""
    if isinstance(queue, str):
        return queue_at(queue).attributes
    if isinstance(queue, Mapping):
        return dict(cast("Mapping[str, Any]", queue))
    if isinstance(url := getattr(queue, "url", None), str):
        return queue_at(url).attributes
    endpoint = getattr(getattr(queue, "meta", None), "endpoint_url", None)
    return server_at(endpoint) if isinstance(endpoint, str) else {}


class _Record(AttributesCarrier):
    """The attributes of a Lambda record, written as the API takes them."""

    def replaced(self, headers: Any, fields: Fields, names: Names) -> Any:
        given: dict[Any, Any] = headers or {}
        return super().replaced({name: _as_sent(value) for name, value in given.items()}, fields, names)


def _as_sent(attribute: Any) -> Any:
    """Return an attribute of a Lambda record as `send_message` takes it; its binary values are base64 there."""
    try:
        kind = attribute["dataType"]
        if kind.startswith("Binary"):
            return {"DataType": kind, "BinaryValue": b64decode(attribute["binaryValue"])}
        return {"DataType": kind, "StringValue": attribute["stringValue"]}
    except Exception:  # Lambda makes no such attribute; whoever did, it is kept
        return attribute


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one of the three shapes names what a message holds."""

    data: Callable[[Any], Any]
    queue: Callable[[Any], Queue]
    message_id: str
    receipt: str
    body: str
    system: str
    attributes: str


def _mapping(found: Any) -> Mapping[str, Any]:
    """Return what stands where a mapping should; what is none holds nothing."""
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _itself(message: Any) -> Any:
    return message


def _resource_data(message: Any) -> Any:
    return message.meta.data or {}  # its attributes would raise where there are none, in a message made by hand


def _resource_queue(message: Any) -> Queue:
    data = message.meta.data
    return data.queue if isinstance(data, Received) else queue_at(message.queue_url)


def _record_queue(record: Any) -> Queue:
    arn = record.get("eventSourceARN")
    return queue_at(arn) if isinstance(arn, str) else UNKNOWN


def _type_of(shape: _Shape, carrier: AttributesCarrier = ATTRIBUTES) -> MessageType:
    data, queue = shape.data, shape.queue

    def system(message: Any) -> Mapping[str, Any]:
        return _mapping(data(message).get(shape.system))

    def described(message: Any) -> Attributes:
        attributes: Attributes = {
            semconv.SYSTEM: SYSTEM,
            semconv.OPERATION_NAME: "process",
            semconv.OPERATION_TYPE: "process",
            **queue(message).attributes,
        }
        if isinstance(message_id := data(message).get(shape.message_id), str):
            attributes[semconv.MESSAGE_ID] = message_id
        if (count := _number(system(message).get("ApproximateReceiveCount"))) is not None:
            attributes[semconv.RECEIVE_COUNT] = count
        return attributes

    def timestamp(message: Any) -> float | None:
        milliseconds = _number(system(message).get("SentTimestamp"))
        return None if milliseconds is None else milliseconds / 1000

    def sidecar(message: Any, known: bool) -> Origin | None:
        header = system(message).get(xray.FIELD)
        envelope = None if known else sns_attributes(data(message).get(shape.body))
        return None if header is None and envelope is None else _sidecar_origin(header, envelope)

    def receipt(message: Any) -> str | None:
        handle = data(message).get(shape.receipt)
        return handle if isinstance(handle, str) else None

    return MessageType(
        system=SYSTEM,
        carrier=carrier,
        headers=lambda message: _mapping(data(message).get(shape.attributes)),
        destination=lambda message: queue(message).name,
        attributes=described,
        per_message_attributes=(semconv.MESSAGE_ID, semconv.RECEIVE_COUNT),
        source=lambda message: f"{queue(message).name}/{data(message).get(shape.message_id)}",
        timestamp=timestamp,
        error=lambda _: None,
        consumer=queue_attributes,
        receiving="receive",
        sidecar_context=sidecar,
        receipt=receipt,
    )


def _number(text: object) -> int | None:
    """Return a count or a time of SQS, which it writes as text of at most 13 digits."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 16 else None


def sns_attributes(body: object) -> Mapping[str, Any] | None:
    """Return the message attributes in the envelope that SNS puts around a message; None for any other body.

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
    """
    if not isinstance(body, str) or len(body) > MAX_ENVELOPE or '"MessageAttributes"' not in body:
        return None
    if not body.lstrip().startswith("{") or '"Notification"' not in body:
        return None
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if envelope.get("Type") != "Notification":
        return None
    return _mapping(envelope.get("MessageAttributes"))


def _sidecar_origin(header: object, envelope: Mapping[str, Any] | None) -> Origin | None:
    """Return what came beside the attributes: the context in an SNS envelope, then that of X-Ray."""
    used = propagators.in_use()
    if not (used.trace or used.baggage or used.foreign):
        return None
    found = (
        context.extract_origin(ATTRIBUTES.pairs(envelope), active_policy().duplicates)
        if envelope
        else Origin(None, None)
    )
    if header is None or not (used.trace or used.foreign):
        return found
    try:
        parent = xray.parse_trace_header(header)
    except InvalidHeader as problem:
        return found._replace(problems=(*found.problems, problem))
    if parent is None:
        return found
    segment = SpanContext(parent.trace_id, parent.parent_id, True, TraceFlags(parent.flags), NO_STATE)
    if found.span_context is None:
        return found._replace(span_context=segment)
    return found._replace(others=(*found.others, segment))


_AS_RECEIVED = ("MessageId", "ReceiptHandle", "Body", "Attributes", "MessageAttributes")

MESSAGE = _type_of(_Shape(_itself, lambda _: UNKNOWN, *_AS_RECEIVED))
"""A message as the API gives it."""
RECEIVED = _type_of(_Shape(_itself, lambda message: message.queue, *_AS_RECEIVED))
"""The same from an instrumented client."""
RESOURCE = _type_of(_Shape(_resource_data, _resource_queue, *_AS_RECEIVED))
"""A `Message` resource of boto3."""
RECORD = _type_of(
    _Shape(_itself, _record_queue, "messageId", "receiptHandle", "body", "attributes", "messageAttributes"), _Record()
)
"""A record of a Lambda event."""

register(Received, RECEIVED)
