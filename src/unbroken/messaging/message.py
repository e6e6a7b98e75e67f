"""What a client must tell about its messages: the seam between unbroken and the client libraries.

A client module registers one `MessageType` for each type of message; it is imported when the first message of that
client is seen, so no client is imported that the application did not import itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext
from opentelemetry.util.types import AttributeValue

from unbroken import mistakes
from unbroken.errors import UnknownMessage, WrongArgument
from unbroken.messaging.policy import active_policy
from unbroken.messaging.semconv import DESTINATION, OPERATION_NAME, OPERATION_TYPE, SYSTEM
from unbroken.propagation import context
from unbroken.propagation.carriers import SHAPE, Carrier, Pairs
from unbroken.propagation.context import NOTHING, Origin, is_same
from unbroken.propagation.problems import together
from unbroken.propagation.w3c import Duplicates, known_duplicates

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    M = TypeVar("M", default=Any)
    C = TypeVar("C", default=Any)
else:  # a default is for type checkers: `MessageType` alone is that of any message
    from typing import TypeVar

    M = TypeVar("M")
    C = TypeVar("C")

Described = Mapping[str, AttributeValue]
"""Attributes of a span."""


def _no_attributes(_: object) -> Described:
    return {}


def _nothing(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageType(Generic[M, C]):
    """How the messages of one client are read; each function takes the message.

        MessageType(system="nats", headers=lambda letter: letter.headers, destination=lambda letter: letter.subject)

    A function that raises costs no message: the message passes without a span, and the log says so.

    Attributes:
        system: `messaging.system`.
        headers: the headers, as the client gives them, or None.
        destination: the topic or queue, an empty text when it is not known.
        carrier: the wire that the headers are on (default: as their shape says; with no headers, that of Kafka).
        attributes: attributes of its process span; those of the default (system, operation, destination) may be left
            out.
        per_message_attributes: of these attributes, those that differ within a batch; they go on the links of a
            receive span.
        source: `destination/partition/offset`, or what else finds the message again (default: the destination).
        timestamp: seconds since the epoch when the message was created, or None.
        error: the error that a client delivers in a message's clothes (partition EOF), None for a message.
        consumer: attributes that a consumer of this client tells without asking the broker.
        receiving: `messaging.operation.name` of a span that receives messages.
        sidecar_context: a context that comes beside the headers (X-Ray, an SNS envelope), or None; it is told whether
            the headers hold one. It counts where they do not, else its span becomes a link.
        receipt: by what the message is acknowledged or deleted later, unique in this process, or None.

    Raises:
        WrongArgument: a field of another kind, such as a text where a function belongs.
    """

    system: str
    headers: Callable[[M], object]
    destination: Callable[[M], str]
    carrier: Carrier = SHAPE
    attributes: Callable[[M], Described] = _no_attributes
    per_message_attributes: tuple[str, ...] = ()
    source: Callable[[M], str] | None = None
    timestamp: Callable[[M], float | None] = _nothing
    error: Callable[[M], object] = _nothing
    consumer: Callable[[C], Described] = _no_attributes
    receiving: str = "poll"
    sidecar_context: Callable[[M, bool], Origin | None] | None = None
    receipt: Callable[[M], Hashable] | None = None

    def __post_init__(self) -> None:
        for name in _FUNCTIONS:
            _check(callable(given := getattr(self, name)), name, "a function", given, "lambda message: ...")
        for name in _OPTIONAL_FUNCTIONS:
            given = getattr(self, name)
            _check(given is None or callable(given), name, "a function", given, "lambda message: ...")
        system: Any = self.system
        _check(isinstance(system, str), "system", "text", system, '"nats"')
        has_carrier = all(hasattr(self.carrier, name) for name in ("pairs", "replaced", "limit"))
        _check(has_carrier, "carrier", "a carrier", self.carrier, "MAPPING")

    def destination_of(self, message: M, consumer: C | None) -> str:
        """Return the topic or queue of a message; one that does not know it may be told by what received it."""
        known = self.destination(message)
        if known or consumer is None:
            return known
        told = self.consumer(consumer).get(DESTINATION)
        return told if isinstance(told, str) else ""

    def source_of(self, message: M) -> str:
        """Return what finds the message again."""
        return (self.source or self.destination)(message)

    def attributes_of(self, message: M) -> Described:
        """Return the attributes of its process span."""
        attributes = self.attributes(message)
        if OPERATION_NAME in attributes:  # the common case: a client tells all of them
            return attributes
        known: dict[str, AttributeValue] = {SYSTEM: self.system, OPERATION_NAME: "process", OPERATION_TYPE: "process"}
        return {**known, DESTINATION: self.destination(message), **attributes}


_FUNCTIONS = ("headers", "destination", "attributes", "timestamp", "error", "consumer")
_OPTIONAL_FUNCTIONS = ("source", "sidecar_context", "receipt")


def _check(is_right: bool, name: str, wanted: str, given: object, example: str) -> None:
    if not is_right:
        raise WrongArgument(f"MessageType({name}=...)", wanted, given, f"write {name}={example}")


_CLIENTS = {
    "confluent_kafka": "unbroken.clients.confluent_kafka.messages",
    "cimpl": "unbroken.clients.confluent_kafka.messages",  # what the C module of older versions calls itself
    "aiokafka": "unbroken.clients.aiokafka.messages",
    "kafka": "unbroken.clients.kafka_python.messages",
    "pika": "unbroken.clients.pika.messages",
    "aio_pika": "unbroken.clients.aio_pika.messages",
}
"""The module that knows the messages of a client, by the client's package."""

_SQS = "unbroken.clients.sqs.messages"
"""The module that knows the messages of SQS: plain mappings, and resources of boto3."""

_RESOURCES = "boto3.resources.base"
"""Where the base of the resources is; boto3 makes their classes anew for each answer: they are not remembered."""

known_types: dict[type, MessageType[Any]] = {}
"""The types of message that were registered or seen."""

_GENERAL = (object, dict, list, tuple, set, str, bytes, int, Mapping)
"""Types of much that is no message."""


def check_attributes(call: str, attributes: object) -> None:
    """Raise WrongArgument for what are no attributes of a span."""
    if not isinstance(attributes, Mapping):
        instead = 'write attributes={"name": value}'
        raise WrongArgument(f"{call}(attributes=...)", "a mapping", attributes, instead)


def register(kind: type[M], message_type: MessageType[M, C]) -> None:
    """Make messages of a type, and of its subclasses, known to every function that takes a message.

        register(Letter, MessageType(system="nats", headers=lambda letter: letter.headers, destination=...))

    Args:
        kind: the class of the messages.
        message_type: how they are read.

    Raises:
        WrongArgument: not a class and a `MessageType`, in this order; or a class such as `dict`, of which much is that
            is no message: make a subclass of it.
    """
    instead = "write register(Letter, MessageType(...))"
    given: Any = kind
    if not isinstance(given, type) or given in _GENERAL:
        raise WrongArgument("register()", "the class of your messages", given, instead)
    if not isinstance(message_type, MessageType):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise WrongArgument("register()", "a MessageType", message_type, instead)
    known_types[kind] = message_type


def type_of(message: object) -> MessageType[Any]:
    """Return how this message is read.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages.
    """
    found = known_types.get(type(message))
    return found if found is not None else _learned(message)


def is_message(given: object) -> bool:
    """Return whether this is a message of a client that unbroken knows."""
    try:
        type_of(given)
    except UnknownMessage:
        return False
    return True


def extract(source: object, *, duplicates: Duplicates | None = None) -> Context:
    """Return the context that a message, or headers, carry; nothing of the ambient context is in it.

    Args:
        source: a message of any client, or headers: a list or tuple of pairs, a mapping, None.
        duplicates: what several different `traceparent` values mean (default: the policy in force).

    Raises:
        UnknownCarrier: `source` is neither, or several messages. What it holds never raises.
        ValueError: `duplicates` is none of the policies.
    """
    given: Any = source
    if duplicates is None and type(given) is list:  # the common case first: 0.2 µs less
        creation = context.fast_extract(given)  # pyright: ignore[reportUnknownArgumentType]
        # Where nothing was found the list may hold something else than headers.
        if creation is not None and (creation is not NOTHING or not given or type(given[0]) is tuple):  # pyright: ignore[reportUnknownArgumentType]
            return context.context_of_creation(creation)
    rule = duplicates or active_policy().duplicates
    known_duplicates(rule)
    shape: type = type(source)
    if source is None or shape is list or (shape is dict and not mistakes.is_sqs_message(source)):
        return context.extract(source, duplicates=rule)
    try:
        kind = type_of(source)
    except UnknownMessage:
        return context.extract(source, duplicates=rule)
    return context.context_of(origin_of(kind, source, rule))


def origin_of(
    message_type: MessageType[Any], message: object, duplicates: Duplicates | None = None, pairs: Pairs | None = None
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
    problems = together((*origin.problems, *found.problems))
    if known is None:
        return found._replace(baggage=origin.baggage or found.baggage, problems=problems)
    if found.span_context is None or is_same(found.span_context, known):
        return origin._replace(problems=problems)
    return origin._replace(others=(*origin.others, found.span_context), problems=problems)


def _is_resource(kind: type) -> bool:
    return any(known.__module__ == _RESOURCES for known in kind.__mro__)


def _learned(message: object) -> MessageType[Any]:
    kind = type(message)
    if (found := _by_class(kind)) is not None:
        return known_types.setdefault(kind, found)
    # What only says that it is of a class (a mock with a `spec`, a proxy): its type may wrap another one next time.
    claimed = _claimed_class(message)
    if claimed is not kind and (found := _by_class(claimed)) is not None:
        return found
    if mistakes.is_sqs_message(message) or _is_resource(claimed):
        sqs: Any = importlib.import_module(_SQS)
        of_sqs: MessageType[Any] = sqs.message_type(message)
        return of_sqs
    raise UnknownMessage(message)


def _by_class(kind: type) -> MessageType[Any] | None:
    for known in kind.__mro__:
        if (module := _CLIENTS.get(known.__module__.partition(".")[0])) and known not in known_types:
            importlib.import_module(module)
        if known in known_types:
            return known_types[known]
    return None


def _claimed_class(message: object) -> type:
    """Return the class that `isinstance` sees."""
    try:
        claimed: Any = message.__class__
    except Exception:  # a proxy of nothing
        return type(message)
    return claimed if isinstance(claimed, type) else type(message)
