"""What to write instead: one sentence for each argument that is not what a function takes.

Pure functions of the argument. They look at its type and at the names in it, never at its values.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard, cast

_LONGEST_NAME = 40
_TEXT = (str, bytes, bytearray, memoryview)
_FIELDS = ("traceparent", "tracestate", "baggage")
_RECEIVED = "Messages"
_EVENT = "Records"


def describe(given: object) -> str:
    """Return what an argument is, as a sentence calls it.

    >>> describe(None), describe(b"1"), describe(ValueError), describe(len)
    ('None', 'bytes', 'the class ValueError', 'the function len')
    """
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    if inspect.isroutine(given):
        return f"the function {getattr(given, '__name__', type(given).__name__)}"
    if is_span(given):
        return "a span"
    if is_awaitable(given):
        return f"a {type(given).__name__} that was not awaited"
    return name(type(given))


def name(kind: type) -> str:
    """Return the name of a type with its module, without `builtins`.

    >>> name(int), name(functools.partial)
    ('int', 'functools.partial')
    """
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def is_mapping(given: object) -> TypeGuard[Mapping[Any, object]]:
    """Return whether this is a mapping."""
    return isinstance(given, Mapping)


def is_span(given: object) -> bool:
    """Return whether this is a span of OpenTelemetry, or the context of one."""
    kind = type(given)  # a mock has every name, its class has not
    return hasattr(kind, "get_span_context") or hasattr(kind, "trace_id")


def is_awaitable(given: object) -> bool:
    """Return whether this has to be awaited first."""
    return hasattr(type(given), "__await__") or inspect.iscoroutine(given)


def is_pair(item: object) -> bool:
    """Return whether this is a name and a value, or may be one in a form of its own; text of two characters is not.

    >>> [is_pair(item) for item in (("a", b"1"), ["a", b"1"], "ab", {"a": 1, "b": 2}, None)]
    [True, True, False, False, False]
    """
    if isinstance(item, (tuple, list)):
        return len(cast("list[object]", item)) == 2
    return hasattr(type(item), "__getitem__") and not isinstance(item, _TEXT) and not isinstance(item, Mapping)


def is_never_header(item: object) -> bool:
    """Return whether this is plainly no header of a list: a message, a mapping of headers, the name of one alone.

    Other things that are no pairs are passed over: a list of headers may come from anywhere.

    >>> [is_never_header(item) for item in ("traceparent", {"traceparent": b"00-..."}, object(), None, 7, "text", ())]
    [True, True, False, False, False, False, False]
    """
    if isinstance(item, str):
        return item.lower() in _FIELDS
    if is_mapping(item):
        return is_sqs_message(item) or any(isinstance(key, str) and key.lower() in _FIELDS for key in item)
    if isinstance(item, tuple):
        return hasattr(item, "_fields") and not is_pair(item)  # pyright: ignore[reportUnknownArgumentType]
    return (
        type(item) is not object and not isinstance(item, (type(None), int, float, list, *_TEXT)) and not is_pair(item)
    )


def is_sqs_message(given: Any) -> bool:
    """Return whether this is a message of SQS or SNS as a mapping: as the API gives it, or a record of Lambda."""
    return isinstance(given, Mapping) and (
        "ReceiptHandle" in given or "receiptHandle" in given or ("Sns" in given and "EventSource" in given)
    )


def holds_messages(given: Mapping[Any, object]) -> bool:
    """Return whether a mapping is what a poll returned, not headers: `{partition: [message]}`, a response, an event."""
    for key in (_RECEIVED, _EVENT):
        if isinstance(given.get(key), list):
            return True
    return (
        bool(given)
        and all(isinstance(value, (list, tuple)) for value in given.values())
        and not any(isinstance(key, (str, bytes)) for key in given)
    )


def holds_lists(given: Mapping[Any, object]) -> bool:
    """Return whether every value of a mapping is a list, and it is no response and no event."""
    return (
        _RECEIVED not in given
        and _EVENT not in given
        and all(isinstance(value, (list, tuple)) for value in given.values())
    )


def about_messages(given: object) -> str:
    """Return the line to write instead of `receive(given)`.

    >>> about_messages({"Messages": []})
    'write receive(response.get("Messages", []))'
    """
    if given is None:
        return "poll() returned nothing; write `if messages:` around the block"
    if isinstance(given, Iterator):
        return "an iterator can be read only once; write messages = list(...) before, and receive(messages)"
    if is_mapping(given):
        if _RECEIVED in given or "ResponseMetadata" in given:
            return f'write receive(response.get("{_RECEIVED}", []))'
        if _EVENT in given:
            return f'write receive(event["{_EVENT}"])'
    if inspect.isroutine(given):
        return "it is no decorator; write `with receive(messages):` in the function"
    if is_awaitable(given):
        return "write receive(await ...)"
    return "write process(message) for one message, or receive([message])"


def about_message(given: Any) -> str:
    """Return why an argument is not a message, and the line to write instead."""
    if given is None:
        return "None is not a message: poll() returned nothing. Write `if message is not None:` around the block"
    kind = name(cast("type[object]", type(given)))
    if isinstance(given, _TEXT):
        return (
            f"{kind} is the value of a message, not the message. "
            "Give the message itself: process(message), not process(message.value())"
        )
    if type(given).__module__ == "unittest.mock":
        mock = type(given).__name__
        return f"a {mock} without a class is not a message. Write {mock}(spec=Message), with the class of your client"
    if is_mapping(given):
        return _about_mapping(given)
    if is_span(given):
        return f"{describe(given)} is not a message. Make it current with opentelemetry.trace.use_span(span)"
    if isinstance(given, (list, tuple, set, frozenset, Iterator)):
        return _about_items(cast("Iterable[object]", given))
    return _about_object(given)


def _about_object(given: object) -> str:
    what = describe(given)
    kind = type(given)
    if isinstance(given, type):
        return f"{what} is not a message. Give one of its objects"
    if inspect.isroutine(given):
        called = getattr(given, "__name__", "it")
        return f"{what} is not a message. Give the message itself, or call the function: {called}()"
    if is_awaitable(given):
        return f"{what} is not a message. Write `await`, as in process(await consumer.getone())"
    if kind.__module__ == "builtins":
        return f"{what} is not a message. Give the message as your client returned it"
    if kind.__module__.partition(".")[0] == "pika":
        return (
            f"{what} is a part of a message, not the message. "
            "Write process(Delivery(channel, method, properties, body)), with Delivery from unbroken.clients.pika"
        )
    return (
        f"{what} is not a message of a client that unbroken knows. "
        f"Make it known: unbroken.register({kind.__name__}, MessageType(...)), see the page 'Your own broker'"
    )


def _about_mapping(given: Mapping[Any, object]) -> str:
    what = describe(given)
    if is_context(given):
        return f"{what} is a context, not a message. Make it current with attached(context)"
    if not given:
        return f"an empty {what} holds no message: the poll returned nothing"
    if _RECEIVED in given or "ResponseMetadata" in given:
        line = f'for message in response.get("{_RECEIVED}", []):'
        return f"this {what} is a response with several messages, or none. Write `{line}`"
    if _EVENT in given:
        return f'this {what} is an event with several messages, or none. Write `for record in event["{_EVENT}"]:`'
    if holds_messages(given):
        return (
            f"this {what} holds several messages. "
            "Write `for messages in polled.values():`, in it `for message in messages:` and process(message)"
        )
    if any(isinstance(key, str) and key.lower() == "traceparent" for key in given):
        return f"this {what} holds headers, not a message. Give the message itself, or read them with extract(headers)"
    return (
        f"this {what} with {_keys(given)} is not a message that unbroken knows: those of SQS have a ReceiptHandle. "
        "For a broker of your own make a class of it and register that: unbroken.register(Letter, MessageType(...))"
    )


def _about_items(given: Iterable[object]) -> str:
    what = describe(given)
    items: list[object] = [] if isinstance(given, Iterator) else list(given)
    if any(type(item).__module__.startswith("pika.") for item in items):
        return (
            f"this {what} holds the parts of a message. Write process(get(channel, queue)), or "
            "process(Delivery(channel, method, properties, body)), both from unbroken.clients.pika"
        )
    if items and all(map(is_pair, items)):
        return f"this {what} holds headers, not a message. Give the message itself, or read them with extract(headers)"
    return (
        f"this {what} holds several messages, or none. Write `for message in messages:` and process(message) in it; "
        "receive(messages) goes around the loop"
    )


def about_headers(given: object) -> str:
    """Return why an argument is not headers, and the line to write instead."""
    what = describe(given)
    if is_context(given):
        return f"{what} is a context, not headers. Write inject(context=context), or inject(headers, context=context)"
    if is_mapping(given):
        return f"this {what} is a message, or holds messages: it is not headers. {_OF_EACH}"
    if isinstance(given, (list, tuple)):
        return f"this {what} does not hold pairs of name and value: it is not headers. {_OF_EACH}"
    shapes = f"headers must be a list or tuple of pairs, a mapping or None, not {what}"
    if inspect.isroutine(given):
        return f"{shapes}. Give what it returns: write {getattr(given, '__name__', 'it')}()"
    if is_awaitable(given):
        return f"{shapes}. Write `await` before it"
    if is_span(given):
        return f"{shapes}. Write inject(headers, context=set_span_in_context(span)), from opentelemetry.trace"
    if hasattr(given, "headers"):
        attribute = "headers()" if callable(getattr(given, "headers", None)) else "headers"
        return f"{shapes}. Give its headers, message.{attribute}; to publish it again write forward(message)"
    return shapes


_OF_EACH = "Write extract(message) for each message, inject(headers) for headers, forward(message) to publish again"


def about_context(given: Any, call: str) -> str:
    """Return the line to write instead of `call(given)`, which takes a context of OpenTelemetry.

    >>> about_context([("traceparent", b"00-...")], "attached({})")
    'write attached(extract(headers))'
    """
    if is_span(given):
        return f"write {call.format('set_span_in_context(span)')}, with set_span_in_context from opentelemetry.trace"
    if is_awaitable(given):
        return f"write {call.format('await ...')}"
    if given is None:
        return f"write {call.format('opentelemetry.context.get_current()')} for the current one"
    if type(given).__module__.startswith(("_contextvars", "contextvars")):
        return "what contextvars.copy_context() returns is entered with its own method run()"
    if isinstance(given, (list, tuple, dict)) and not is_sqs_message(given):
        return f"write {call.format('extract(headers)')}"
    if isinstance(given, (str, bytes)):
        return "write " + call.format('extract({"traceparent": value})')
    return f"write {call.format('extract(message)')}"


def is_context(given: Any) -> bool:
    """Return whether this is a context of OpenTelemetry; it is a dict, too."""
    return issubclass(type(given), dict) and type(given).__module__.startswith("opentelemetry.")


def about_function(given: object, call: str) -> str | None:
    """Return the line to write instead of `call(given)`, which takes a function; None for one that it can run.

    >>> about_function(None, "bind")
    'write bind(function)'
    """
    if inspect.iscoroutine(given) or is_awaitable(given):
        return f"write {call}(function), not {call}(function()): the coroutine would run without it"
    if not callable(given):
        return f"write {call}(function)"
    return None


def is_generator(function: object) -> bool:
    """Return whether calling this only makes a generator, whose body runs later."""
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    kind: Any = type(function)  # pyright: ignore[reportUnknownArgumentType]
    called = function if inspect.isroutine(function) or not callable(function) else kind.__call__
    return inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called)


def _keys(given: Mapping[Any, object]) -> str:
    shown = [repr(key)[:_LONGEST_NAME] for key in list(given)[:4]]
    return f"the keys {', '.join(shown)}{', ...' if len(given) > 4 else ''}"
