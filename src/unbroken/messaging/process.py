"""`process`: one message, one CONSUMER span, its own trace; attach and detach always."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from opentelemetry.trace import Span, SpanContext
from opentelemetry.util.types import AttributeValue

from unbroken.errors import OpenTwice
from unbroken.messaging.decorate import decorate, is_handler
from unbroken.messaging.message import check_attributes, known_types
from unbroken.messaging.policy import Correlation
from unbroken.messaging.scope import MessageScope

P = ParamSpec("P")
T = TypeVar("T")
Block = TypeVar("Block", bound="process")

_NO_MESSAGE: Any = object()
"""What `process` is given as a decorator with arguments."""


class _Unknown(Protocol):
    """What a type checker knows nothing of: its block has a span, too. Nothing has this method."""

    def unbroken_is_any(self) -> None: ...


class process:  # noqa: N801 - read as a statement, like contextlib.suppress
    """A block in which the handler of one message runs; the same `with` in synchronous and asynchronous code.

    Inside it the message's own CONSUMER span is current, child of the span that created the message, and the baggage
    is the message's. After it the context is what it was before, however the block ends. An exception marks the span
    and passes untouched. The block of a message inside the block of the same message is one block.

        with process(message) as span:
            handle(message)

    As a decorator it does the same around a function, a coroutine function or a method whose first argument is the
    message; the function keeps its name and its signature.

        @process
        def handle(message): ...

        @process(correlation="link")
        async def handle(message): ...

    Args:
        message: a message of any client; or the function to decorate.
        consumer: the client's consumer; what it tells without asking the broker (group, client id, server address)
            goes on the span.
        correlation: `parent` or `link` (default: the policy in force).
        attributes: more attributes of the span, given to the sampler.

    Raises:
        UnknownMessage: no client that unbroken knows has such messages (None included); in the call, when the first
            argument of a decorated function is none. What a message holds never raises.
        WrongArgument: a generator function, or one without arguments, to decorate.
        ValueError: a `correlation` that is neither.
        OpenTwice: on entering, when this very object is entered already.
    """

    __slots__ = ("_scope",)

    _scope: MessageScope

    @overload
    def __new__(
        cls: type[Block],
        message: _Unknown,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Block: ...
    @overload
    def __new__(cls, message: Callable[P, T], /) -> Callable[P, T]: ...  # type: ignore[misc, overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __new__(
        cls: type[Block],
        message: object,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Block: ...
    @overload
    def __new__(  # type: ignore[misc]  # a decorator is no block
        cls,
        *,
        consumer: object = None,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Callable[[Callable[P, T]], Callable[P, T]]: ...
    def __new__(  # type: ignore[misc]  # as above
        cls,
        message: object = _NO_MESSAGE,
        consumer: object = None,
        *,
        correlation: Correlation | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> object:
        """Return the block of a message; of a function the decorated one."""
        if type(message) not in known_types and (message is _NO_MESSAGE or is_handler(message)):
            made: Any = cls
            block = functools.partial(made, consumer=consumer, correlation=correlation, attributes=attributes)
            return block if message is _NO_MESSAGE else decorate(message, block)
        if attributes is not None:
            check_attributes("process", attributes)
        self = object.__new__(cls)
        self._scope = MessageScope(message, consumer, correlation, attributes)
        return self

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
