"""A program that uses all that is public: `mypy --strict` and pyright find the asserted types, and no fault."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span
from typing_extensions import assert_type

from unbroken import (
    ATTRIBUTES,
    MAPPING,
    PAIRS,
    BoundExecutor,
    Carrier,
    MessageType,
    Policy,
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
from unbroken.errors import InvalidHeader, UnbrokenError, UnknownCarrier, UnknownMessage
from unbroken.testing import MemoryBroker, Record

Pairs = list[tuple[str, bytes]]
ConfluentHeaders = list[tuple[str, "str | bytes | None"]]


def produce(headers: ConfluentHeaders | dict[str, str | bytes | None] | None = None) -> None: ...


@dataclass
class Letter:
    subject: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    group: str = ""


class Line:
    def headers(self) -> list[tuple[str, bytes]] | None:
        return None


def subject_of(letter: Letter) -> str:
    return letter.subject


def headers_of(letter: Letter) -> dict[str, str]:
    return letter.headers


register(Letter, MessageType(system="nats", headers=headers_of, destination=subject_of, carrier=MAPPING))
register(Letter, MessageType(system="nats", headers=lambda letter: letter.headers, destination=subject_of))
carriers: tuple[Carrier, ...] = (PAIRS, MAPPING, ATTRIBUTES)


def headers(pairs: Pairs, shape: tuple[tuple[str, bytes], ...], table: dict[str, str], maybe: Pairs | None) -> None:
    assert_type(inject(), Pairs)
    produce(inject())
    assert_type(inject(pairs), Pairs)
    assert_type(inject(shape), tuple[tuple[str, bytes], ...])
    assert_type(inject(table), dict[str, str])
    assert_type(inject(maybe), Pairs)
    assert_type(inject(wire="amqp"), dict[str, str])
    assert_type(inject(wire="sqs"), dict[str, dict[str, str]])
    assert_type(inject(table, wire="amqp", context=extract(pairs)), dict[str, str])
    with send("orders") as sending:
        assert_type(sending.headers, ConfluentHeaders)
        assert_type(sending.span, Span)
    with send("orders", pairs, attributes={"a": 1}) as sending_pairs:
        assert_type(sending_pairs.headers, Pairs)
    with send("orders", table, system="rabbitmq") as sending_table:
        assert_type(sending_table.headers, dict[str, str])
    with send("orders", system="rabbitmq") as published:
        assert_type(published.headers, dict[str, str])
        published.end("312", {"b": "c"})


def messages(record: Record, letter: Letter, line: Line, sqs: dict[str, object]) -> None:
    assert_type(extract(record), Context)
    with process(record) as span:
        assert_type(span, Span)
    with process(letter, correlation="link", attributes={"priority": 1}) as span:
        assert_type(span, Span)
    with receive([record, letter]) as span, receive({("orders", 0): [record]}):
        assert_type(span, Span)
    with attached(extract(record)) as context:
        assert_type(context, Context)
    assert_type(forward(letter), dict[str, str])
    assert_type(forward(line, error=ValueError("no")), Pairs)
    assert_type(forward(record), list[tuple[str, bytes | None]])
    assert_type(forward(sqs), dict[str, dict[str, object]])


@process
def handle(record: Record) -> int:
    return record.offset


@process(correlation="link")
async def handle_async(record: Record) -> int:
    return record.offset


class Worker:
    @process
    def handle(self, record: Record) -> str:
        return record.topic

    @staticmethod
    @process
    def handle_alone(record: Record) -> str:
        return record.topic


async def handlers(record: Record) -> None:
    assert_type(handle(record), int)
    assert_type(await handle_async(record), int)
    assert_type(Worker().handle(record), str)
    assert_type(Worker.handle_alone(record), str)
    kept: Callable[[Record], int] = handle
    kept_async: Callable[[Record], Coroutine[Any, Any, int]] = handle_async
    assert_type(bind(kept)(record), int)
    assert_type(await bind(kept_async)(record), int)
    with BoundExecutor(ThreadPoolExecutor()) as pool:
        assert_type(pool.submit(handle, record), Future[int])


def rest(worker: Worker) -> None:
    assert_type(configure(Policy(only=("orders.*",), spans=True)), Policy)
    assert_type(instrument(worker), Worker)
    assert_type(MemoryBroker().poll("orders"), Record | None)
    try:
        extract([])
    except (UnknownMessage, UnknownCarrier) as error:
        assert_type(str(error), str)
    except InvalidHeader as problem:
        assert_type(problem.field, str)
    except UnbrokenError:
        pass
