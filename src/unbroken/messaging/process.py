"""`process`: one message, one CONSUMER span, its own trace; attach and detach always."""

from __future__ import annotations

from types import TracebackType

from opentelemetry.trace import Span, SpanContext

from unbroken.errors import OpenTwice
from unbroken.messaging.policy import Correlation
from unbroken.messaging.scope import MessageScope
from unbroken.messaging.semconv import Attributes


class process:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which the handler of one message runs; the same `with` in synchronous and asynchronous code.

    Inside it the message's own CONSUMER span is current, child of the span that created the message, and the baggage
    is the message's. After it the context is what it was before, however the block ends. An exception marks the span
    and passes untouched. The block of a message inside the block of the same message is one block.

        with process(message) as span:
            handle(message)

    Args:
        message: a message of any client.
        consumer: the client's consumer; what it tells without asking the broker (group, client id, server address)
            goes on the span.
        correlation: `parent` or `link` (default: the policy in force).
        attributes: more attributes of the span, given to the sampler.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages (None included). What a message holds never
            raises.
        ValueError: a `correlation` that is neither.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = ("_scope",)

    def __init__(
        self,
        message: object,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Attributes | None = None,
    ) -> None:
        self._scope = MessageScope(message, consumer, correlation, attributes)

    @property
    def span(self) -> Span:
        """The span that is current in the block; set on entering."""
        return self._scope.span

    @property
    def origin(self) -> SpanContext | None:
        """The creation context of the message, None when it carries none; set on entering."""
        return self._scope.origin

    def __enter__(self) -> Span:
        if self._scope.is_open:
            raise OpenTwice(self)
        return self._scope.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.close(error)
