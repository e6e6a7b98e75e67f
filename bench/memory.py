"""A million messages through `process`: what stays behind, and whether the last ones cost more than the first."""

import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.micro import OURS
from bench.records import LOOP_RECORDS, SAMPLED
from bench.results import Cell
from bench.timing import Stopwatch

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

EARLY = 10_000
FULL = 1_000_000
SLICE, SLICES = 1_000, 8
MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


def growth_after(messages: int) -> Cell:
    """Return the cell for the growth of resident memory, in MiB."""
    return Cell(f"memory, RSS after {messages:,} messages minus after {messages // 10:,} (MiB)", OURS)


def cost_after(messages: int) -> Cell:
    """Return the cell for what one message costs after so many, in µs."""
    return Cell(f"memory, one message after {messages:,} (µs)", OURS)


def measure(bootstrap: str, messages: int) -> dict[str, float]:
    """Return the growth of resident memory and the cost of a message early and late, by "row | contender"."""
    from confluent_kafka import Consumer

    from bench import tracing

    tracing.provide()
    stream = laps(Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False}))
    run(stream, EARLY)
    early = _cost(stream)
    run(stream, messages // 10 - EARLY - SLICE * SLICES)
    resident = resident_bytes()
    run(stream, messages - messages // 10)
    growth = resident_bytes() - resident
    found = {growth_after(messages): growth / MIB, cost_after(EARLY): early, cost_after(messages): _cost(stream)}
    return {f"{cell.row} | {cell.contender}": value for cell, value in found.items()}


def laps(consumer: "Consumer") -> "Iterator[Message]":
    """Yield the records of the topic again and again."""
    from confluent_kafka import TopicPartition

    while True:
        consumer.assign([TopicPartition(SAMPLED.topic, 0, 0)])
        left = LOOP_RECORDS
        while left:
            message = consumer.poll(1.0)
            if message is not None:
                left -= 1
                yield message


def run(stream: "Iterator[Message]", count: int) -> None:
    """Process `count` messages."""
    from unbroken import process

    for _ in range(count):
        with process(next(stream)):
            pass


def resident_bytes() -> int:
    """Return the resident memory of this process (Linux)."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * PAGE


def _cost(stream: "Iterator[Message]") -> float:
    """Return the microseconds per message: the median of several slices."""
    costs = []
    for _ in range(SLICES):
        with Stopwatch() as watch:
            run(stream, SLICE)
        costs.append(watch.seconds / SLICE * 1e6)
    return statistics.median(costs)
