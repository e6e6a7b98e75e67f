"""The process that `bench.soak` watches: produce, process, forward, and count what goes wrong."""

import logging
from collections import Counter

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from bench.memory import MIB, resident_bytes
from bench.records import USER_HEADERS, VALUE
from bench.soak import GROWTH
from unbroken import forward, inject, process
from unbroken.clients import confluent_kafka as drop_in

ORDERS, DEAD_LETTERS = "soak-orders", "soak-dead-letters"
CHUNK = 2_000  # the embedded broker keeps 5 MiB of a partition: what is produced is read at once

LOST, ASTRAY, ATTACHED = "messages lost", "messages in a wrong trace", "contexts left attached"
OPEN, FAILED, LOGGED = "spans left open", "deliveries failed", "warnings logged"


class OpenSpans(SpanProcessor):
    """Counts the spans that were started and have not ended."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:  # noqa: ARG002
        """Count one more."""
        self.count += 1

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002
        """Count one less."""
        self.count -= 1


class Warnings(logging.Handler):
    """Counts what is logged as a warning or worse, and shows the first."""

    def __init__(self, wrong: Counter[str]) -> None:
        super().__init__(logging.WARNING)
        self._wrong = wrong

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        if not self._wrong[LOGGED] and logging.lastResort is not None:
            logging.lastResort.handle(record)
        self._wrong[LOGGED] += 1


def soak(bootstrap: str, messages: int) -> dict[str, float]:
    """Return how much of each thing that must not happen did, and the growth of memory."""
    spans, wrong = OpenSpans(), Counter[str]()
    logging.getLogger().addHandler(Warnings(wrong))
    provider = TracerProvider()
    provider.add_span_processor(spans)
    trace.set_tracer_provider(provider)
    producer = Producer({"bootstrap.servers": bootstrap})
    republisher = drop_in.Producer({"bootstrap.servers": bootstrap})
    consumer = drop_in.Consumer({"bootstrap.servers": bootstrap, "group.id": "soak", "enable.auto.commit": False})
    producer.list_topics(ORDERS, timeout=10)
    consumer.assign([TopicPartition(ORDERS, 0, 0)])
    resident: list[int] = []
    before = context.get_current()
    for _ in range(0, messages, CHUNK):
        produce(producer, CHUNK)
        wrong[LOST] += CHUNK - consume(consumer, republisher, CHUNK, wrong)
        wrong[ATTACHED] += context.get_current() != before
        resident.append(resident_bytes())
    wrong[OPEN] = spans.count
    found = {name: float(wrong[name]) for name in (LOST, ASTRAY, ATTACHED, OPEN, FAILED, LOGGED)}
    return {**found, GROWTH: growth(resident) / MIB}


def growth(resident: list[int]) -> int:
    """Return how much more memory the last tenth of the run needs than the second tenth.

    The lowest value of each tenth counts: librdkafka's buffers come and go, 2 to 4 MiB at a time, with the load of the
    machine. What leaks stays, and lifts the lowest value as well.
    """
    tenth = max(1, len(resident) // 10)
    return min(resident[-tenth:]) - min(resident[tenth : 2 * tenth] or resident)


def produce(producer: Producer, count: int) -> None:
    """Produce `count` messages, each from a request of its own; the key says which trace it belongs to."""
    tracer = trace.get_tracer("soak")
    for _ in range(count):
        with tracer.start_as_current_span("request") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
            producer.produce(ORDERS, VALUE, key=trace_id, headers=inject(USER_HEADERS), partition=0)
        producer.poll(0)
    producer.flush(60)


def consume(consumer: Consumer, republisher: Producer, count: int, wrong: Counter[str]) -> int:
    """Process and republish `count` messages, and return how many there were."""
    error, found, empty = ValueError("poison"), 0, 0

    def delivered(failure: object, _: Message) -> None:
        wrong[FAILED] += failure is not None

    while found < count and empty < 10:
        message = consumer.poll(1.0)
        if message is None:
            empty += 1
            continue
        found += 1
        with process(message, consumer) as span:
            headers = forward(message, error=error)
            traceparents = [value.decode() for name, value in headers if name == "traceparent"]
            trace_ids = {f"{span.get_span_context().trace_id:032x}", *(value[3:35] for value in traceparents)}
            wrong[ASTRAY] += len(traceparents) != 1 or trace_ids != {message.key().decode()}
            republisher.produce(DEAD_LETTERS, message.value(), headers=headers, partition=0, on_delivery=delivered)
        republisher.poll(0)
    republisher.flush(60)
    return found
