"""Stock OpenTelemetry calls as a careful user writes them around a handler."""

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind

Headers = list[tuple[str, bytes]]


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


def injected(headers: Headers) -> Headers:
    """Return `headers` with the current context in them."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return headers + [(name, value.encode()) for name, value in carrier.items()]
