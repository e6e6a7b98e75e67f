"""A wrong argument is refused at once, and the error says what was given and what to write instead."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import MagicMock

import pytest
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT

from tests.messaging.telemetry import TRACED, message
from unbroken import (
    BoundExecutor,
    MessageType,
    UnbrokenError,
    attached,
    bind,
    configure,
    extract,
    forward,
    inject,
    instrument,
    process,
    receive,
    register,
    send,
)
from unbroken.messaging.settle import settle
from unbroken.testing import Record

RECORD = Record("orders", 0, 7, b"k", b"v", list(TRACED), 0.0)
SQS = {"MessageId": "1", "ReceiptHandle": "2", "Body": "text"}
UNKNOWN = {"id": 1, "body": "text"}
POLLED = {("orders", 0): [RECORD]}
RESPONSE = {"Messages": [SQS], "ResponseMetadata": {}}
EVENT = {"Records": [SQS]}


def iterate(record: object) -> Iterator[object]:
    yield record


async def iterate_async(record: object) -> AsyncIterator[object]:
    yield record


class Iterating:
    def __call__(self, record: object) -> Iterator[object]:
        yield record


async def poll() -> Record:
    return RECORD


def coroutine() -> Any:
    made = poll()
    made.close()  # nobody awaits it here
    return made


Mistakes = list[tuple[str, Callable[[], object], str]]

NO_MESSAGE: list[tuple[str, object, str]] = [
    ("nothing", None, r"poll\(\) returned nothing.*if message is not None"),
    ("value", b"v", r"bytes is the value.*process\(message\)"),
    ("text", "v", r"str is the value.*process\(message\)"),
    ("list", [RECORD], r"for message in messages.*process\(message\).*receive\(messages\)"),
    ("headers", list(TRACED), r"headers.*extract\(headers\)"),
    ("table", dict(TRACED), r"headers.*extract\(headers\)"),
    ("mapping", UNKNOWN, r"'id', 'body'.*ReceiptHandle.*register"),
    ("empty", {}, "empty dict"),
    ("polled", POLLED, r"for messages in polled.values\(\)"),
    ("response", RESPONSE, r'response.get\("Messages", \[\]\)'),
    ("event", EVENT, r'for record in event\["Records"\]'),
    ("coroutine", coroutine(), "await"),
    ("span", INVALID_SPAN, "a span is not"),
    ("span context", INVALID_SPAN_CONTEXT, "a span is not"),
    ("context", Context(), r"attached\(context\)"),
    ("class", Record, "the class Record"),
    ("mock", MagicMock(), r"MagicMock\(spec=Message\)"),
    ("number", 7, "int is not a message"),
    ("iterator", iter([RECORD]), "for message in messages"),
]


class Letter:
    """A message whose headers are given by a method, as those of confluent-kafka are."""

    def headers(self) -> None:
        """Return none."""


NO_CONTEXT: list[tuple[str, object, str]] = [
    ("nothing", None, "get_current"),
    ("message", RECORD, r"extract\(message\)"),
    ("mapping", SQS, r"extract\(message\)"),
    ("headers", list(TRACED), r"extract\(headers\)"),
    ("table", dict(TRACED), r"extract\(headers\)"),
    ("span", INVALID_SPAN, r"set_span_in_context\(span\)"),
    ("span context", INVALID_SPAN_CONTEXT, r"set_span_in_context\(span\)"),
    ("contextvars", contextvars.copy_context(), r"run\(\)"),
    ("text", "00-1-2-01", r"extract\({"),
    ("coroutine", coroutine(), "await"),
]

MISTAKES: Mistakes = [
    *((f"process {name}", lambda given=given: process(given), text) for name, given, text in NO_MESSAGE),
    *((f"forward {name}", lambda given=given: forward(given), text) for name, given, text in NO_MESSAGE),
    *((f"attached {name}", lambda given=given: attached(given), text) for name, given, text in NO_CONTEXT),
    *(
        (f"inject {name}", lambda given=given: inject(context=given), text)
        for name, given, text in NO_CONTEXT
        if given is not None
    ),
    ("process value method", lambda: process(message().value), r"process|message itself"),
    ("process attributes", lambda: process(RECORD, attributes=[("a", 1)]), r'attributes={"name": value}'),  # type: ignore[call-overload]
    ("process generator", lambda: process(iterate), r"with process\(message\)"),
    ("process async generator", lambda: process(iterate_async), r"with process\(message\)"),
    ("process generator object", lambda: process(Iterating()), r"with process\(message\)"),
    ("process no argument", lambda: process(lambda: None), "an argument"),
    ("forward text", lambda: forward(RECORD, error="text"), r"except Exception as error"),  # type: ignore[call-overload]
    ("forward class", lambda: forward(RECORD, error=ValueError), "the class ValueError"),  # type: ignore[call-overload]
    ("extract messages", lambda: extract([RECORD, RECORD]), r"extract\(message\) for each"),
    ("extract one in a list", lambda: extract([SQS]), r"extract\(message\) for each"),
    ("extract two keys", lambda: extract([{"ReceiptHandle": "1", "Body": ""}]), r"extract\(message\) for each"),
    ("extract tuple", lambda: extract((RECORD,)), r"extract\(message\) for each"),
    ("extract flat", lambda: extract(["traceparent", "00-1-2-01"]), "pairs of name and value"),
    ("extract tables", lambda: extract([dict(TRACED)]), "pairs of name and value"),
    ("extract polled", lambda: extract(POLLED), r"extract\(message\) for each"),
    ("extract response", lambda: extract(RESPONSE), r"extract\(message\) for each"),
    ("extract event", lambda: extract(EVENT), r"extract\(message\) for each"),
    ("extract context", lambda: extract(Context()), "is a context"),
    ("extract value", lambda: extract(b"v"), "not bytes"),
    ("extract method", lambda: extract(Letter().headers), r"headers\(\)"),
    ("extract span", lambda: extract(INVALID_SPAN), "a span"),
    ("inject message", lambda: inject(RECORD), r"message.headers"),  # type: ignore[call-overload]
    ("inject messages", lambda: inject([RECORD]), "pairs of name and value"),  # type: ignore[type-var]
    ("inject sqs", lambda: inject(SQS), "is a message"),
    ("inject context", lambda: inject(get_current() or Context()), r"inject\(context=context\)"),
    ("inject list on amqp", lambda: inject(list(TRACED), wire="amqp"), "headers"),
    ("inject table on kafka", lambda: inject({"a": "b"}, wire="kafka"), "headers"),
    ("receive message", lambda: receive(RECORD), r"process\(message\).*receive\(\[message\]\)"),  # type: ignore[arg-type]
    ("receive sqs", lambda: receive(SQS), r"receive\(\[message\]\)"),
    ("receive response", lambda: receive(RESPONSE), r'response.get\("Messages", \[\]\)'),
    ("receive empty response", lambda: receive({"ResponseMetadata": {}}), r'response.get\("Messages", \[\]\)'),
    ("receive event", lambda: receive(EVENT), r'event\["Records"\]'),
    ("receive nothing", lambda: receive(None), "returned nothing"),  # type: ignore[arg-type]
    ("receive text", lambda: receive("text"), "the messages of one poll"),
    ("receive function", lambda: receive(poll), "no decorator"),  # type: ignore[arg-type]
    ("receive coroutine", lambda: receive(coroutine()), "await"),
    ("receive seconds", lambda: receive([RECORD], start_time=1.5), r"time_ns\(\)"),  # type: ignore[arg-type]
    ("send nothing", lambda: send(None), "destination as text, not None"),  # type: ignore[call-overload]
    ("send message", lambda: send(RECORD), "destination as text"),  # type: ignore[call-overload]
    ("send value", lambda: send("orders", b"v"), "headers must be"),  # type: ignore[type-var]
    ("send messages", lambda: send("orders", [RECORD]), "pairs of name and value"),  # type: ignore[type-var]
    ("send pairs to amqp", lambda: send("orders", list(TRACED), system="rabbitmq"), "headers"),
    ("send attributes", lambda: send("orders", attributes="a"), "attributes="),  # type: ignore[call-overload]
    ("settle message", lambda: settle("ack", RECORD, {}), r"\[receipt\]"),  # type: ignore[arg-type]
    ("settle receipt", lambda: settle("ack", "receipt", {}), r"\[receipt\]"),
    ("settle operation", lambda: settle(RECORD, [], {}), r'settle\("ack", \[receipt\]'),  # type: ignore[arg-type]
    ("settle attributes", lambda: settle("ack", [1], None), "attributes="),  # type: ignore[arg-type]
    ("bind nothing", lambda: bind(None), r"bind\(function\)"),  # type: ignore[arg-type]
    ("bind coroutine", lambda: bind(coroutine()), r"bind\(function\), not bind\(function\(\)\)"),
    ("bind generator", lambda: bind(iterate), r"attached\(context\)"),
    ("bind async generator", lambda: bind(iterate_async), r"attached\(context\)"),
    ("bind generator object", lambda: bind(Iterating()), r"attached\(context\)"),
    ("bind executor", lambda: bind(ThreadPoolExecutor(1)), r"BoundExecutor\(executor\)"),  # type: ignore[arg-type]
    ("executor nothing", lambda: BoundExecutor(None), r"BoundExecutor\(ThreadPoolExecutor\(\)\)"),  # type: ignore[arg-type]
    ("executor class", lambda: BoundExecutor(ThreadPoolExecutor), r"BoundExecutor\(Thread"),  # type: ignore[arg-type]
    ("executor function", lambda: BoundExecutor(poll), r"BoundExecutor\(Thread"),  # type: ignore[arg-type]
    ("submit nothing", lambda: BoundExecutor(ThreadPoolExecutor(1)).submit(None), "a function"),  # type: ignore[arg-type]
    ("submit coroutine", lambda: BoundExecutor(ThreadPoolExecutor(1)).submit(coroutine()), "a function"),
    ("submit async", lambda: BoundExecutor(ThreadPoolExecutor(1)).submit(poll), r"asyncio.create_task\(bind"),
    ("submit generator", lambda: BoundExecutor(ThreadPoolExecutor(1)).submit(iterate, 1), "after the call"),
    ("configure", lambda: configure({"spans": False}), r"configure\(Policy"),  # type: ignore[arg-type]
    ("register swapped", lambda: register(MessageType, Record), "a MessageType"),  # type: ignore[arg-type]
    ("register object", lambda: register(RECORD, 1), r"register\(Letter"),  # type: ignore[arg-type]
    ("register dict", lambda: register(dict, MessageType(system="a", headers=str, destination=str)), "class of your"),
    ("type text", lambda: MessageType(system="a", headers="headers", destination=str), "headers=lambda"),  # type: ignore[arg-type]
    ("type system", lambda: MessageType(system=None, headers=dict, destination=str), "system="),  # type: ignore[arg-type]
    ("type carrier", lambda: MessageType(system="a", headers=dict, destination=str, carrier=1), "MAPPING"),  # type: ignore[arg-type]
    ("instrument nothing", lambda: instrument(None), "a channel, a connection"),
    ("instrument class", lambda: instrument(ThreadPoolExecutor), "make the object first"),
    ("instrument other", lambda: instrument(RECORD), "opentelemetry-instrument"),
    ("instrument coroutine", lambda: instrument(coroutine()), "await"),
]


@pytest.mark.parametrize(("call", "text"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_told_at_once_with_what_to_write_instead(call: Callable[[], object], text: str) -> None:
    before = get_current()
    with pytest.raises(TypeError, match=text) as raised:
        call()
    assert isinstance(raised.value, UnbrokenError)
    assert len(str(raised.value)) < 400
    assert get_current() is before


@pytest.mark.parametrize(
    "headers", [[], (), {}, None, [("a", b"1")], [["a", b"1"]], {"x-death": [{"count": 1}]}, [None]]
)
def test_headers_are_no_mistake_whatever_they_hold(headers: Any) -> None:
    assert extract(headers) == Context()
    assert inject(headers, context=Context()) == (headers or ([] if headers is None else headers))


@pytest.mark.parametrize("messages", [[], (), {}, {("a", 0): []}, [RECORD], (RECORD,), {RECORD.topic: [RECORD]}])
def test_the_messages_of_a_poll_are_no_mistake(messages: Any) -> None:
    with receive(messages):
        pass
