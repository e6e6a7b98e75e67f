"""What a client must tell about its messages: the seam between unbroken and the client libraries.

A client module registers one `MessageType` for each type of message; it is imported when the first message of that
client is seen, so no client is imported that the application did not import itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from unbroken.errors import UnknownMessage
from unbroken.messaging.policy import active_policy
from unbroken.messaging.semconv import DESTINATION, Attributes
from unbroken.propagation import context
from unbroken.propagation.carriers import Carrier, Pairs
from unbroken.propagation.context import NOTHING, Origin, is_same
from unbroken.propagation.w3c import Duplicates, known_duplicates


@dataclass(frozen=True, slots=True)
class MessageType:
    """How the messages of one client are read; each function takes the message.

    Attributes:
        system: `messaging.system`.
        carrier: the wire that its headers are on.
        headers: the headers, as the client gives them.
        destination: the topic or queue.
        attributes: attributes of its process span.
        per_message_attributes: of these attributes, those that differ within a batch; they go on the links of a
            receive span.
        source: `destination/partition/offset`, or what else finds the message again.
        timestamp: seconds since the epoch when the message was created, or None.
        error: the error that a client delivers in a message's clothes (partition EOF), None for a message.
        consumer: attributes that a consumer of this client tells without asking the broker.
        receiving: `messaging.operation.name` of a span that receives messages.
        sidecar_context: a context that comes beside the headers (X-Ray, an SNS envelope), or None; it is told whether
            the headers hold one. It counts where they do not, else its span becomes a link.
        receipt: by what the message is acknowledged or deleted later, unique in this process, or None.
    """

    system: str
    carrier: Carrier
    headers: Callable[[Any], Any]
    destination: Callable[[Any], str]
    attributes: Callable[[Any], Attributes]
    per_message_attributes: tuple[str, ...]
    source: Callable[[Any], str]
    timestamp: Callable[[Any], float | None]
    error: Callable[[Any], object]
    consumer: Callable[[Any], Attributes]
    receiving: str = "poll"
    sidecar_context: Callable[[Any, bool], Origin | None] | None = None
    receipt: Callable[[Any], Hashable] | None = None

    def destination_of(self, message: object, consumer: object) -> str:
        """Return the topic or queue of a message; one that does not know it may be told by what received it."""
        known = self.destination(message)
        if known or consumer is None:
            return known
        told: str = self.consumer(consumer).get(DESTINATION, "")
        return told


_CLIENTS = {
    "confluent_kafka": "unbroken.clients.confluent_kafka",
    "cimpl": "unbroken.clients.confluent_kafka",  # what the C module of older versions calls itself
    "aiokafka": "unbroken.clients.aiokafka",
    "kafka": "unbroken.clients.kafka_python",
    "pika": "unbroken.clients.pika.messages",
    "aio_pika": "unbroken.clients.aio_pika.messages",
}
"""The module that knows the messages of a client, by the client's package."""

_SQS = "unbroken.clients.sqs.messages"
"""The module that knows the messages of SQS: plain mappings, and resources of boto3."""

_RESOURCES = "boto3.resources.base"
"""Where the base of the resources is; boto3 makes their classes anew for each answer: they are not remembered."""

known_types: dict[type, MessageType] = {}
"""The types of message that were registered or seen."""


def register(kind: type, message_type: MessageType) -> None:
    """Make messages of a type, and of its subclasses, known."""
    known_types[kind] = message_type


def type_of(message: object) -> MessageType:
    """Return how this message is read.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages.
    """
    found = known_types.get(type(message))
    return found if found is not None else _learned(message)


def extract(source: object, *, duplicates: Duplicates | None = None) -> Context:
    """Return the context that a message, or headers, carry; nothing of the ambient context is in it.

    Args:
        source: a message of any client, or headers: a list or tuple of pairs, a mapping, None.
        duplicates: what several different `traceparent` values mean (default: the policy in force).

    Raises:
        UnknownCarrier, UnknownMessage: `source` is neither. What it holds never raises.
        ValueError: `duplicates` is none of the policies.
    """
    given: Any = source
    if duplicates is None and type(given) is list:  # the common case first: 0.2 µs less
        creation = context.fast_extract(given)  # pyright: ignore[reportUnknownArgumentType]
        if creation is not None:
            return context.context_of_creation(creation)
    rule = duplicates or active_policy().duplicates
    known_duplicates(rule)
    shape: type = type(source)
    if source is None or shape is list or (shape is dict and not _is_of_sqs(source)):
        return context.extract(source, duplicates=rule)
    try:
        kind = type_of(source)
    except UnknownMessage:
        return context.extract(source, duplicates=rule)
    return context.context_of(origin_of(kind, source, rule))


def origin_of(
    message_type: MessageType, message: object, duplicates: Duplicates | None = None, pairs: Pairs | None = None
) -> Origin:
    """Return what the headers of a message, and what came beside them, say about where it comes from.

    Args:
        message_type: how the message is read.
        message: of this type.
        duplicates: what several different `traceparent` values mean (default: the policy in force).
        pairs: its headers, where they were read already.
    """
    if pairs is None:
        pairs = message_type.carrier.pairs(message_type.headers(message))
    return complete_origin(message_type, message, pairs, context.fast_extract(pairs), duplicates)


def complete_origin(
    message_type: MessageType,
    message: object,
    pairs: Pairs,
    creation: SpanContext | None,
    duplicates: Duplicates | None = None,
) -> Origin:
    """Return the origin of a message whose common fields were read: `creation` is what `fast_extract` returned."""
    if creation is None:
        origin = context.full_extract(pairs, duplicates or active_policy().duplicates)
    else:
        origin = Origin(None if creation is NOTHING else creation, None)
    if message_type.sidecar_context is None:
        return origin
    sidecar = message_type.sidecar_context(message, origin.span_context is not None)
    return origin if sidecar is None else _with_sidecar(sidecar, origin)


def _with_sidecar(found: Origin, origin: Origin) -> Origin:
    """Return the origin with what came beside the headers: all of it where they hold no context, else a link."""
    known = origin.span_context
    problems = (*origin.problems, *found.problems)
    if known is None:
        return found._replace(baggage=origin.baggage or found.baggage, problems=problems)
    if found.span_context is None or is_same(found.span_context, known):
        return origin._replace(problems=problems)
    return origin._replace(others=(*origin.others, found.span_context), problems=problems)


def _is_of_sqs(source: object) -> bool:
    """Return whether this is a mapping and a message of SQS or SNS, of the API or of Lambda; not headers."""
    return isinstance(source, Mapping) and (
        "ReceiptHandle" in source or "receiptHandle" in source or ("Sns" in source and "EventSource" in source)
    )


def _is_resource(message: object) -> bool:
    return any(known.__module__ == _RESOURCES for known in type(message).__mro__)


def _learned(message: object) -> MessageType:
    if _is_of_sqs(message) or _is_resource(message):
        sqs: Any = importlib.import_module(_SQS)
        kind: MessageType = sqs.message_type(message)
        return kind
    for known in type(message).__mro__:
        if (module := _CLIENTS.get(known.__module__.partition(".")[0])) and known not in known_types:
            importlib.import_module(module)
        if known in known_types:
            return known_types.setdefault(type(message), known_types[known])
    raise UnknownMessage(message)
