"""Names of spans, attributes and metrics, once: OpenTelemetry semantic conventions 1.44.

https://opentelemetry.io/docs/specs/semconv/messaging/ — all `messaging.*` names are in Development there.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, cast

from unbroken import mistakes

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
ANONYMOUS = "messaging.destination.anonymous"
TEMPLATE = "messaging.destination.template"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
CLIENT_ID = "messaging.client.id"
MESSAGE_COUNT = "messaging.batch.message_count"
MESSAGE_ID = "messaging.message.id"
BODY_SIZE = "messaging.message.body.size"
KAFKA_OFFSET = "messaging.kafka.offset"
KAFKA_KEY = "messaging.kafka.message.key"
KAFKA_TOMBSTONE = "messaging.kafka.message.tombstone"
RABBITMQ_ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
RABBITMQ_DELIVERY_TAG = "messaging.rabbitmq.message.delivery_tag"
CONVERSATION_ID = "messaging.message.conversation_id"
SQS_QUEUE_URL = "aws.sqs.queue.url"
SNS_TOPIC_ARN = "aws.sns.topic.arn"
AWS_REQUEST_ID = "aws.request_id"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"
TASK_NAMES = frozenset(("celery.task_name", "dramatiq.actor_name", "taskiq.task_name"))
"""What a message is for, where a framework says it: of the many tasks of a queue each has a span name of its own."""

PROCESS_DURATION = "messaging.process.duration"
OPERATION_DURATION = "messaging.client.operation.duration"
SENT_MESSAGES = "messaging.client.sent.messages"
CONSUMED_MESSAGES = "messaging.client.consumed.messages"
# The two that the conventions lack (semantic-conventions #792).
QUEUE_DURATION = "unbroken.queue.duration"
MALFORMED_CARRIERS = "unbroken.carriers.malformed"
MALFORMED_FIELD = "unbroken.carrier.field"
# What the conventions have no name for.
LEFT_OUT = "unbroken.carrier.left_out"
"""On a send span: the propagation fields for which the message had no room."""
FULL_CARRIERS = "unbroken.carriers.full"
REDELIVERED = "unbroken.message.redelivered"
"""Whether the broker says that it has delivered the message before."""
RECEIVE_COUNT = "unbroken.message.receive_count"
"""How often the broker has delivered the message, this time included."""
ATTEMPT = "unbroken.message.attempt"
"""Which execution of the message this is, from 1: what a framework counts, not what the broker delivers."""
DEATH_COUNT = "unbroken.message.death.count"
"""How often the message was dead-lettered; with it the queue and the reason of the last time."""
DEATH_QUEUE = "unbroken.message.death.queue"
DEATH_REASON = "unbroken.message.death.reason"

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Boundaries of the duration histograms, in seconds."""

RABBITMQ_PER_MESSAGE = (
    RABBITMQ_ROUTING_KEY,
    RABBITMQ_DELIVERY_TAG,
    MESSAGE_ID,
    CONVERSATION_ID,
    REDELIVERED,
    RECEIVE_COUNT,
    DEATH_COUNT,
    DEATH_QUEUE,
    DEATH_REASON,
)
"""What differs between the messages of a batch of RabbitMQ."""

METRIC_ATTRIBUTES = (OPERATION_NAME, SYSTEM, DESTINATION, GROUP, SERVER_ADDRESS, SERVER_PORT)
"""What of a span's attributes goes on its metrics; `error.type` comes with the outcome."""

Attributes = dict[str, Any]

MAX_TEXT = 1024
"""Characters of a text on a span: a key, a name or a reason of a mebibyte is cut there."""


class Destination(str):
    """A destination that is another for each message; `stable` is what does not differ, for metrics."""

    __slots__ = ("stable",)
    stable: str

    def __new__(cls, name: str, stable: str = "") -> Destination:
        """Return the destination with its stable part."""
        self = super().__new__(cls, name)
        self.stable = stable
        return self


def exportable(attributes: Attributes) -> Attributes:
    """Return the attributes in a form that every exporter takes: themselves where they have it.

    What comes from outside may be anything. A text has at most 1024 characters, and `?` where half of a surrogate pair
    stood alone; what is no number of 64 bits, and None, is left out.

    >>> exportable({"key": "k" * 2000, "count": 2**64})["key"] == "k" * 1024
    True
    """
    for value in attributes.values():
        if type(value) is str:  # almost all of them: 0.4 µs for the seven of a record of Kafka
            if len(value) > MAX_TEXT or not value.isascii():
                break
        elif type(value) is int:
            if not _INT_MIN <= value <= _INT_MAX:
                break
        elif type(value) is not bool and not (type(value) is Destination and value.isascii()):
            break
    else:
        return attributes
    values = ((name, _exportable(value)) for name, value in attributes.items())
    return {name: value for name, value in values if value is not None}


_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def _exportable(value: Any) -> Any:
    """Return a value in a form that every exporter takes, None where it has none."""
    if isinstance(value, (bytes, bytearray)):
        value = value[: 4 * MAX_TEXT].decode("utf-8", "replace")  # no character of UTF-8 has more octets
    if isinstance(value, str):
        return exportable_text(value)
    if isinstance(value, int):
        return value if _INT_MIN <= value <= _INT_MAX else None
    if isinstance(value, (list, tuple)):
        return [found for item in cast("Sequence[Any]", value) if (found := _exportable(item)) is not None]
    return value


def exportable_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return a text of at most so many characters, with `?` where half of a surrogate pair stood alone."""
    if len(text) > limit:
        text = text[:limit]
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def span_name(attributes: Attributes) -> str:
    """Return the name of a span: its operation, and the task, or the destination where it is known.

    Of an anonymous destination the part that is the same each time, or its server.

    >>> span_name({OPERATION_NAME: "process", DESTINATION: "orders"})
    'process orders'
    >>> span_name({OPERATION_NAME: "process", ANONYMOUS: True, SERVER_ADDRESS: "broker", SERVER_PORT: 5672})
    'process broker:5672'
    >>> span_name({OPERATION_NAME: "process", DESTINATION: "celery", "celery.task_name": "shop.charge"})
    'process shop.charge'
    """
    destination = attributes.get(DESTINATION, "")
    if ANONYMOUS in attributes:
        destination = attributes.get(TEMPLATE) or _server(attributes)
    if not TASK_NAMES.isdisjoint(attributes):
        destination = next(attributes[name] for name in TASK_NAMES if name in attributes)
    return f"{attributes.get(OPERATION_NAME, '')} {destination}".strip()


def _server(attributes: Attributes) -> str:
    return f"{attributes[SERVER_ADDRESS]}:{attributes[SERVER_PORT]}" if SERVER_ADDRESS in attributes else ""


def error_type(error: BaseException | type[BaseException]) -> str:
    """Return what `error.type` holds for an exception: its qualified class name, without `builtins`.

    >>> error_type(ValueError("no"))
    'ValueError'
    """
    return mistakes.name(error if isinstance(error, type) else type(error))


def error_text(error: BaseException, name: str) -> str:
    """Return `name: text` of an exception, only the name when its text cannot be had.

    >>> error_text(ValueError("no"), "ValueError")
    'ValueError: no'
    """
    try:
        return f"{name}: {error}"
    except Exception:  # its __str__ may raise anything
        return name


def exception_attributes(error: BaseException, text: str) -> Attributes | None:
    """Return what has to stand on the event of an exception instead of its own text; None where that can be exported.

    Args:
        error: the exception.
        text: what `error_text` said of it.
    """
    if text.isascii() or exportable_text(text, len(text)) == text:
        return None
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    shown = {"exception.message": str(error), "exception.stacktrace": trace}
    return {name: exportable_text(value, len(value)) for name, value in shown.items()}
