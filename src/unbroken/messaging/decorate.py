"""`@process`: a handler whose first argument is the message runs in the block of that message."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, cast

from unbroken import mistakes
from unbroken.errors import UnknownMessage, WrongArgument
from unbroken.messaging.message import is_message, known_types


class OpenBlock(Protocol):
    """What makes the block of a message, to be entered."""

    def __call__(self, message: object) -> Any:
        """Return the block."""
        ...


def is_handler(given: Any) -> bool:
    """Return whether this is a function to decorate; a message that can be called (a mock of one) is a message."""
    if isinstance(given, (staticmethod, classmethod)):
        return True
    if isinstance(given, type) or not callable(given) or type(given).__module__ == "unittest.mock":
        return False
    if inspect.isbuiltin(given) or is_message(getattr(given, "__self__", None)):  # `process(message.value)`
        return False
    return not is_message(given)


def decorate(handler: Any, open_block: OpenBlock) -> Any:
    """Return the handler so that each call runs in the block of its message; a method, or a coroutine function, too.

    Raises:
        WrongArgument: a function without arguments, or one whose body runs after the call (a generator function).
    """
    if isinstance(handler, (staticmethod, classmethod)):
        descriptor: Any = cast("Any", handler)
        return type(descriptor)(decorate(descriptor.__func__, open_block))
    if mistakes.is_generator(handler):
        instead = "its body runs after the call; write `with process(message):` in it"
        raise WrongArgument("@process", "a function or a coroutine function", handler, instead)
    names = _first_names(handler)

    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):

        @functools.wraps(handler)
        async def process_async(*args: Any, **kwargs: Any) -> Any:
            with open_block(_message_in(handler, names, args, kwargs)):
                return await handler(*args, **kwargs)

        return process_async

    @functools.wraps(handler)
    def process_sync(*args: Any, **kwargs: Any) -> Any:
        with open_block(_message_in(handler, names, args, kwargs)):
            return handler(*args, **kwargs)

    return process_sync


def _first_names(handler: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the first two arguments, of which one may be `self`."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError):  # a callable that does not tell
        return ()
    if not parameters:
        instead = "its first argument is to be the message; write `with process(message):` in it"
        raise WrongArgument("@process", "a function with an argument", handler, instead)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(parameter.name for parameter in parameters[:2] if parameter.kind in by_name)


def _message_in(
    handler: Callable[..., Any], names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> object:
    """Return the message among the first two arguments: the first, or what comes after `self`.

    Raises:
        UnknownMessage: neither is one.
        TypeError: the arguments are not those of the handler.
    """
    first = args[:2]
    if kwargs and len(first) < 2:
        first += tuple(kwargs[name] for name in names if name in kwargs)
    for argument in first:
        if type(argument) in known_types:
            return cast("object", argument)
    for argument in first:
        if is_message(argument):
            return cast("object", argument)
    inspect.signature(handler).bind(*args, **kwargs)
    is_method = len(first) > 1 and names[:1] in (("self",), ("cls",))
    raise UnknownMessage(first[is_method] if first else None)
