"""What unbroken has to reach, as data."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.contenders import CONTRIB, DROP_IN, SAMPLED, UNSAMPLED, ZERO
from bench.hostile import OPERATION as HOSTILE
from bench.hostile import WIRES, WORST, cell
from bench.loops import ZERO_CODE
from bench.memory import EARLY, FULL, cost_after, growth_after
from bench.micro import BARE, EXTRACT, HAND, INJECT, OURS, STEP, STOCK
from bench.results import Cell, Samples, Spread


@dataclass(frozen=True, slots=True)
class Bar:
    """The ratio of `cell` to `reference`, or `cell` itself, is `at_most` this; `note` says what was compared."""

    what: str
    cell: Cell
    reference: Cell | None
    at_most: float
    note: str = ""

    def measured(self, samples: Samples) -> Spread | None:
        """Return the figure that is held against the bar, None when it was not measured."""
        if self.reference is None:
            return samples.spread(self.cell) if samples.has(self.cell) else None
        return samples.ratio(self.cell, self.reference) if samples.has(self.cell, self.reference) else None


def _micro(what: str, row: str, reference: str, at_most: float, note: str = "") -> Bar:
    return Bar(what, Cell(row, OURS), Cell(row, reference), at_most, note)


def _loop(what: str, row: str, at_most: float, note: str = "") -> Bar:
    return Bar(what, Cell(row, DROP_IN), Cell(row, CONTRIB), at_most, note)


def _half(what: str, row: str, ours: str, note: str = "") -> Iterator[Bar]:
    """Yield the bars of a loop that may cost half of what its peer costs over bare, sampled and not."""
    for condition in (SAMPLED, UNSAMPLED):
        yield Bar(
            f"{what} {condition}", Cell(f"{row}, {condition}", ours), Cell(f"{row}, {condition}", CONTRIB), 0.5, note
        )


BARS = (
    _micro("`inject` / stock `propagate.inject`", f"{INJECT}, 0 headers", STOCK, 0.45),
    _micro(f"{EXTRACT} / stock", f"{EXTRACT}, 3 headers", STOCK, 0.50),
    _micro("`process`, sampled / bare SDK span with the same attributes and link", f"{STEP}, 3 headers", BARE, 1.2),
    _micro(
        "`process`, unsampled / by hand: extract, attach, `start_as_current_span`, detach",
        f"{STEP}, 3 headers unsampled",
        HAND,
        0.30,
        "by hand without attributes and link",
    ),
    _loop("confluent poll loop over bare / contrib's, sampled", "confluent-kafka poll, sampled", 0.45),
    _loop(
        "confluent poll loop over bare / contrib's, unsampled",
        "confluent-kafka poll, unsampled",
        0.20,
        "records with flag 00, default sampler; contrib opens a new trace for each and records it",
    ),
    _loop(
        "confluent poll loop over bare / contrib's, `ALWAYS_OFF`",
        "confluent-kafka poll, ALWAYS_OFF",
        0.20,
        "nobody records",
    ),
    _loop("confluent produce over bare / contrib's, sampled", "confluent-kafka produce, sampled", 0.65),
    _loop(
        "confluent produce over bare / contrib's, unsampled",
        "confluent-kafka produce, unsampled",
        0.30,
        "inside an unsampled span",
    ),
    *_half("confluent poll, zero code / contrib's, over bare,", f"confluent-kafka poll{ZERO_CODE}", ZERO),
    *_half("aiokafka getone, zero code / contrib's, over bare,", f"aiokafka getone{ZERO_CODE}", ZERO),
    *_half("kafka-python iterator, zero code / contrib's, over bare,", f"kafka-python iterator{ZERO_CODE}", ZERO),
    *_half("pika basic_consume / contrib's, over bare,", "pika basic_consume", OURS),
    *_half("pika consume / contrib's, over bare,", "pika consume", OURS),
    *_half("pika basic_publish / contrib's, over bare,", "pika basic_publish", OURS),
    *_half("aio-pika consume / contrib's, over bare,", "aio-pika consume", OURS),
    *_half(
        "aio-pika iterator / contrib's, over bare,",
        "aio-pika iterator",
        OURS,
        "contrib's span ends before the loop has the message",
    ),
    *_half("aio-pika publish / contrib's, over bare,", "aio-pika publish", OURS),
    *_half(
        "SQS receive, process and delete / contrib's boto3sqs, over bare,",
        "boto3 receive and delete",
        OURS,
        "ours with a span for each delete",
    ),
    *_half("SQS send_message / contrib's boto3sqs, over bare,", "boto3 send_message", OURS),
    *_half("SQS send_message_batch / contrib's boto3sqs, over bare,", "boto3 send_message_batch", OURS),
    *_half("FastStream on aiokafka / its own middleware, over bare,", "faststream Kafka subscriber", OURS),
    *_half("FastStream on confluent / its own middleware, over bare,", "faststream Confluent subscriber", OURS),
    *_half("FastStream on RabbitMQ / its own middleware, over bare,", "faststream RabbitMQ subscriber", OURS),
    *_half("FastStream, publish to RabbitMQ / its own middleware, over bare,", "faststream publish to RabbitMQ", OURS),
    Bar("memory: RSS after 1,000,000 messages minus after 100,000, MiB", growth_after(FULL), None, 5.0),
    Bar("cost per message after 1,000,000 / after 10,000", cost_after(FULL), cost_after(EARLY), 1.1),
    *(Bar(f"{HOSTILE}: the worst mebibyte of headers, {wire}, ms", cell(WORST, wire), None, 5.0) for wire in WIRES),
)
