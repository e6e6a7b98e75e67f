"""Stock OpenTelemetry calls as a careful user writes them around a handler."""

from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind

Headers = list[tuple[str, bytes]]
Attributes = Mapping[str, Mapping[str, Any]]


class HeadersGetter(Getter[Headers]):
    """The getter for Kafka's list of pairs."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Return the value of the first header `key`."""
        for name, value in carrier:
            if name == key:
                return [value.decode()]
        return None

    def keys(self, carrier: Headers) -> list[str]:
        """Return the names of the headers."""
        return [name for name, _ in carrier]


GETTER = HeadersGetter()
TRACER = trace.get_tracer("bench")


def parent_of(headers: Headers) -> Context:
    """Return the context in `headers`."""
    return propagate.extract(headers, getter=GETTER)


def process(topic: str, headers: Headers) -> None:
    """Extract, attach, open a span around a handler that does nothing, detach."""
    token = attach(propagate.extract(headers, getter=GETTER))
    try:
        with TRACER.start_as_current_span(f"process {topic}", kind=SpanKind.CONSUMER):
            pass
    finally:
        detach(token)


def process_mapping(queue: str, headers: Mapping[str, object] | None) -> None:
    """The same for the headers of AMQP, which are a mapping."""
    token = attach(propagate.extract(headers or {}))
    try:
        with TRACER.start_as_current_span(f"process {queue}", kind=SpanKind.CONSUMER):
            pass
    finally:
        detach(token)


def process_attributes(queue: str, attributes: Attributes) -> None:
    """The same for the attributes of SQS, whose text is one level down."""
    process_mapping(queue, {name: each["StringValue"] for name, each in attributes.items() if "StringValue" in each})


def injected(headers: Headers) -> Headers:
    """Return `headers` with the current context in them."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return headers + [(name, value.encode()) for name, value in carrier.items()]


def injected_mapping(headers: Mapping[str, object]) -> dict[str, object]:
    """The same for AMQP."""
    carrier = dict(headers)
    propagate.inject(carrier)
    return carrier


def injected_attributes(attributes: Attributes) -> Attributes:
    """The same for SQS."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    texts = {name: {"DataType": "String", "StringValue": value} for name, value in carrier.items()}
    return {**attributes, **texts}
