"""Every producer with every consumer, in three languages: what one writes into the headers the other reads."""

import functools
import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from interop.chain import new_suffix
from interop.probes import PROBES
from interop.program import Program
from services import Unavailable

confluent_kafka: Any = pytest.importorskip("confluent_kafka")

TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687"
SENDER = "3c7e19ab5d02f468"
STATE = "rojo=00f067aa0ba902b7,0tenant@vendor=x:1/2"
BAGGAGE = {"stadt": "Zürich", "日付": "令和8年, 月; 50% =?", "empty": "", "emoji": "🚚 unterwegs"}
FLAGS = ("01", "00")

pytestmark = pytest.mark.usefixtures("real_kafka")
Read = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def probe(started: Callable[..., Program], leave_out: Callable[[str, str], NoReturn]) -> Callable[[str], Program]:
    """The probe of a client, started once; a client that cannot be had here ends the test."""
    running: dict[str, Program | Unavailable] = {}

    def probe(client: str) -> Program:
        if client not in running:
            try:
                program = started(client)
            except Unavailable as error:
                running[client] = error
            else:
                program.await_ready(time.monotonic() + 120)
                running[client] = program
        found = running[client]
        return found if isinstance(found, Program) else leave_out(client, str(found))

    return probe


@pytest.fixture(scope="module")
def topic_of(probe: Callable[[str], Program]) -> Callable[[str], str]:
    """The topic with the records of a client: one sampled, one not."""
    topics: dict[str, str] = {}

    def topic_of(producer: str) -> str:
        if producer not in topics:
            topic = f"matrix-{producer}{new_suffix()}"
            for flags in FLAGS:
                context = {"traceparent": f"00-{TRACE}-{SENDER}-{flags}", "tracestate": STATE, "baggage": BAGGAGE}
                record = {"key": "k", "value": f"order {flags}", "headers": [["own", "für ölige Äpfel"]]}
                command = {"do": "produce", "topic": topic, "context": context, "span": None, "records": [record]}
                probe(producer).asked(command)
            topics[producer] = topic
        return topics[producer]

    return topic_of


@pytest.fixture(scope="module")
def seen(probe: Callable[[str], Program], topic_of: Callable[[str], str]) -> Read:
    """What was current where a client processed the records of another."""
    read: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def seen(producer: str, consumer: str) -> list[dict[str, Any]]:
        if (producer, consumer) not in read:
            command = {"do": "consume", "topic": topic_of(producer), "count": len(FLAGS), "group": f"g{new_suffix()}"}
            answer = probe(consumer).asked({**command, "then": "ok", "to": None, "is_batch": False})
            read[producer, consumer] = answer["seen"]
        return read[producer, consumer]

    return seen


@pytest.fixture(scope="module")
def written(topic_of: Callable[[str], str], real_kafka: str) -> Callable[[str], list[list[tuple[str, bytes]]]]:
    """The headers that a client has written, as a plain client reads them."""

    @functools.cache
    def written(producer: str) -> list[list[tuple[str, bytes]]]:
        consumer = confluent_kafka.Consumer({"bootstrap.servers": real_kafka, "group.id": f"plain{new_suffix()}"})
        consumer.assign([confluent_kafka.TopicPartition(topic_of(producer), 0, 0)])
        messages = consumer.consume(len(FLAGS), timeout=60)
        consumer.close()
        return [message.headers() for message in messages]

    return written


@pytest.mark.parametrize("consumer", PROBES)
@pytest.mark.parametrize("producer", PROBES)
def test_what_one_writes_the_other_reads(
    producer: str, consumer: str, seen: Read, written: Callable[[str], list[list[tuple[str, bytes]]]]
) -> None:
    parents = [dict(headers)["traceparent"].decode().split("-")[2] for headers in written(producer)]
    assert seen(producer, consumer) == [
        {
            "trace_id": TRACE,
            "parent_id": parent if flags == "01" else None,  # a span that is not sampled tells no parent
            "flags": flags,
            "tracestate": STATE,
            "baggage": BAGGAGE,
        }
        for flags, parent in zip(FLAGS, parents, strict=True)
    ]


@pytest.mark.parametrize("producer", PROBES)
def test_a_client_writes_each_field_once_behind_the_headers_of_the_application(
    producer: str, written: Callable[[str], list[list[tuple[str, bytes]]]]
) -> None:
    names = [[name for name, _ in headers] for headers in written(producer)]
    assert names == [["own", "traceparent", "tracestate", "baggage"]] * len(FLAGS)


@pytest.mark.parametrize("producer", PROBES)
def test_every_client_writes_the_same_octets_of_tracestate_and_baggage(
    producer: str, written: Callable[[str], list[list[tuple[str, bytes]]]]
) -> None:
    assert [octets(headers) for headers in written(producer)] == [
        octets(headers) for headers in written("confluent-kafka")
    ]


@pytest.mark.parametrize("producer", PROBES)
def test_the_headers_carry_a_span_of_the_producer_and_not_the_one_around_it(
    producer: str, written: Callable[[str], list[list[tuple[str, bytes]]]]
) -> None:
    parents = [dict(headers)["traceparent"].decode().split("-") for headers in written(producer)]
    assert [(trace, flags, span != SENDER) for _, trace, span, flags in parents] == [
        (TRACE, flags, True) for flags in FLAGS
    ]


def octets(headers: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The headers but `traceparent`, members of baggage in the order of their octets: no platform promises another."""
    found = {name: [value] for name, value in headers if name != "traceparent"}
    return {**found, "baggage": sorted(found["baggage"][0].split(b","))}
