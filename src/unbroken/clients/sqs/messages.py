"""What the messages of SQS have in common, whoever received them: the facts that go on the spans.

A message is a mapping as the API gives it (`MessageId`, `ReceiptHandle`, `Body`, ...), a record of a Lambda event
(`messageId`, `receiptHandle`, `body`, ...), or a `Message` resource of boto3. The record of a Lambda event of SNS
(`sns.py`) is no message of SQS, but comes to the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from unbroken.clients.sqs.queues import UNKNOWN, Queue, queue_at, queue_attributes, source_of
from unbroken.clients.sqs.sidecars import mapping_of, sidecar_origin, sns_attributes
from unbroken.clients.sqs.sns import SNS_RECORD
from unbroken.errors import UnknownMessage
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.semconv import Attributes
from unbroken.propagation import xray
from unbroken.propagation.carriers import ATTRIBUTES
from unbroken.propagation.context import Origin

SYSTEM = "aws_sqs"


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
        if "ReceiptHandle" in message:
            return MESSAGE
        return RECORD if "receiptHandle" in message else SNS_RECORD
    if hasattr(message, "receipt_handle") and hasattr(message, "queue_url"):
        return RESOURCE
    raise UnknownMessage(message)


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


def _type_of(shape: _Shape) -> MessageType:
    data, queue = shape.data, shape.queue

    def system(message: Any) -> Mapping[str, Any]:
        return mapping_of(data(message).get(shape.system))

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
        return None if header is None and envelope is None else sidecar_origin(header, envelope)

    def receipt(message: Any) -> str | None:
        handle = data(message).get(shape.receipt)
        return handle if isinstance(handle, str) else None

    return MessageType(
        system=SYSTEM,
        carrier=ATTRIBUTES,
        headers=lambda message: mapping_of(data(message).get(shape.attributes)),
        destination=lambda message: queue(message).name,
        attributes=described,
        per_message_attributes=(semconv.MESSAGE_ID, semconv.RECEIVE_COUNT),
        source=lambda message: source_of(queue(message).name, data(message).get(shape.message_id)),
        timestamp=timestamp,
        consumer=queue_attributes,
        receiving="receive",
        sidecar_context=sidecar,
        receipt=receipt,
    )


def _number(text: object) -> int | None:
    """Return a count or a time of SQS, which it writes as text of at most 13 digits."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 16 else None


_AS_RECEIVED = ("MessageId", "ReceiptHandle", "Body", "Attributes", "MessageAttributes")

MESSAGE = _type_of(_Shape(_itself, lambda _: UNKNOWN, *_AS_RECEIVED))
"""A message as the API gives it."""
RECEIVED = _type_of(_Shape(_itself, lambda message: message.queue, *_AS_RECEIVED))
"""The same from an instrumented client."""
RESOURCE = _type_of(_Shape(_resource_data, _resource_queue, *_AS_RECEIVED))
"""A `Message` resource of boto3."""
RECORD = _type_of(
    _Shape(_itself, _record_queue, "messageId", "receiptHandle", "body", "attributes", "messageAttributes")
)
"""A record of a Lambda event."""

register(Received, RECEIVED)
