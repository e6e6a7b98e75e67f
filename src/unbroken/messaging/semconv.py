"""Names of spans, attributes and metrics, once: OpenTelemetry semantic conventions 1.44.

https://opentelemetry.io/docs/specs/semconv/messaging/ — all `messaging.*` names are in Development there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from unbroken.messaging.policy import active_policy

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

KAFKA_PER_MESSAGE = (PARTITION, KAFKA_OFFSET, KAFKA_KEY, KAFKA_TOMBSTONE)
"""What differs between the records of a batch."""

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
"""The same of RabbitMQ."""

METRIC_ATTRIBUTES = (OPERATION_NAME, SYSTEM, DESTINATION, GROUP, SERVER_ADDRESS, SERVER_PORT)
"""What of a span's attributes goes on its metrics; `error.type` comes with the outcome."""

Attributes = dict[str, Any]


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


def kafka_process(topic: str, partition: int | None, offset: int | None, key: object, tombstone: bool) -> Attributes:
    """Return the attributes of the process span of one Kafka record; the key only when the policy in force says so.

    A key that is neither text nor UTF-8 has no string form and is left out.
    """
    attributes: Attributes = {
        SYSTEM: "kafka",
        OPERATION_NAME: "process",
        OPERATION_TYPE: "process",
        DESTINATION: topic,
        PARTITION: f"{partition}",
        KAFKA_OFFSET: offset,
    }
    if key is not None and active_policy().message_key:
        try:
            attributes[KAFKA_KEY] = key.decode() if type(key) is bytes else _text(key)
        except ValueError:
            pass
    if tombstone:
        attributes[KAFKA_TOMBSTONE] = True
    return attributes


def kafka_send(
    topic: str, partition: int | None, key: object, tombstone: bool, client: Attributes | None = None
) -> Attributes:
    """Return the attributes of the send span of one Kafka record; the partition only when the application chose it.

    Args:
        topic: where it goes.
        partition: None, or less than zero, when the client chooses.
        key: on the span as on that of `kafka_process`.
        tombstone: whether the value is null.
        client: what `client` returned for the producer.
    """
    attributes: Attributes = {
        SYSTEM: "kafka",
        OPERATION_NAME: "send",
        OPERATION_TYPE: "send",
        DESTINATION: topic,
        **(client or {}),
    }
    if partition is not None and partition >= 0:
        attributes[PARTITION] = f"{partition}"
    if key is not None and active_policy().message_key:
        try:
            attributes[KAFKA_KEY] = key.decode() if type(key) is bytes else _text(key)
        except ValueError:
            pass
    if tombstone:
        attributes[KAFKA_TOMBSTONE] = True
    return attributes


def client(client_id: object, group: object, bootstrap: str | Sequence[str] | None) -> Attributes:
    """Return the attributes of a client: its id, its consumer group, and its server, when there is only one.

    Args:
        client_id: not on the span when empty.
        group: not on the span when empty.
        bootstrap: `host:port`, several with commas or in a list; several name a cluster, not a server.
    """
    attributes: Attributes = {}
    if client_id:
        attributes[CLIENT_ID] = str(client_id)
    if group:
        attributes[GROUP] = str(group)
    servers = bootstrap.split(",") if isinstance(bootstrap, str) else bootstrap or ()
    if len(servers) == 1:
        host, _, port = servers[0].rpartition("://")[2].rpartition(":")
        if port.isdecimal():
            attributes[SERVER_ADDRESS] = host.strip("[] ")
            attributes[SERVER_PORT] = int(port)
    return attributes


def error_type(error: BaseException | type[BaseException]) -> str:
    """Return what `error.type` holds for an exception: its qualified class name, without `builtins`.

    >>> error_type(ValueError("no"))
    'ValueError'
    """
    kind = error if isinstance(error, type) else type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def error_text(error: BaseException, name: str) -> str:
    """Return `name: text` of an exception, only the name when its text cannot be had.

    >>> error_text(ValueError("no"), "ValueError")
    'ValueError: no'
    """
    try:
        return f"{name}: {error}"
    except Exception:  # its __str__ may raise anything
        return name


def _text(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (bytes, bytearray)):
        return key.decode()
    if isinstance(key, (int, float, UUID)):
        return str(key)
    raise ValueError("no string form")
