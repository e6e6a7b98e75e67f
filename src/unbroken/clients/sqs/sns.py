"""The records of a Lambda event of SNS: how they are read.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from unbroken.clients.sqs.queues import queue_attributes, source_of
from unbroken.clients.sqs.sidecars import mapping_of
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import ATTRIBUTES

SYSTEM = "aws.sns"


def _notification(record: Any) -> Mapping[str, Any]:
    return mapping_of(record.get("Sns"))


def _topic_arn(record: Any) -> str:
    arn = _notification(record).get("TopicArn")
    return arn if isinstance(arn, str) else ""


def _topic(record: Any) -> str:
    return _topic_arn(record).rpartition(":")[2]


def _attributes(record: Any) -> Attributes:
    attributes: Attributes = {
        semconv.SYSTEM: SYSTEM,
        semconv.OPERATION_NAME: "process",
        semconv.OPERATION_TYPE: "process",
    }
    if arn := _topic_arn(record):
        attributes[semconv.DESTINATION] = _topic(record)
        attributes[semconv.SNS_TOPIC_ARN] = arn
    if isinstance(message_id := _notification(record).get("MessageId"), str):
        attributes[semconv.MESSAGE_ID] = message_id
    return attributes


def _timestamp(record: Any) -> float | None:
    """Return when the message was published; Python before 3.11 reads no `Z`."""
    try:
        return datetime.fromisoformat(_notification(record)["Timestamp"].replace("Z", "+00:00")).timestamp()
    except (KeyError, AttributeError, TypeError, ValueError, OverflowError):
        return None


SNS_RECORD = MessageType(
    system=SYSTEM,
    carrier=ATTRIBUTES,
    headers=lambda record: mapping_of(_notification(record).get("MessageAttributes")),
    destination=_topic,
    attributes=_attributes,
    per_message_attributes=(semconv.MESSAGE_ID,),
    source=lambda record: source_of(_topic(record), _notification(record).get("MessageId")),
    timestamp=_timestamp,
    consumer=queue_attributes,
    receiving="receive",
)
"""A record of a Lambda event of SNS; Lambda settles it."""
