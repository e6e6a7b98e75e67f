"""A producing and a consuming loop with the drop-in classes of confluent-kafka, until told to stop."""

from __future__ import annotations

import sys

from confluent_kafka import KafkaError, KafkaException, Message
from opentelemetry import trace

from tests.faults.events import (
    Acknowledged,
    Finished,
    Processed,
    Ready,
    Trouble,
    current_trace,
    emit,
    is_clean,
    tell_spans,
    told_to_stop,
)
from unbroken.clients.confluent_kafka import Consumer, Producer

PACE = 0.005
IN_FLIGHT = 100


def produce(bootstrap: str, topic: str) -> None:
    """Send records whose values are the traces they are sent in, and tell which the broker has."""
    stop, tracer = told_to_stop(), trace.get_tracer(__name__)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "queue.buffering.max.messages": IN_FLIGHT,
            "reconnect.backoff.max.ms": 500,
            "error_cb": trouble,
        }
    )
    sends, clean = 0, True
    while not stop.wait(PACE):
        with tracer.start_as_current_span("order"):
            try:
                producer.produce(topic, key=f"{sends}", value=current_trace(), on_delivery=report)
            except BufferError:
                producer.poll(PACE)
        sends += 1
        producer.poll(0)
        clean = clean and is_clean()
    remaining = producer.flush(60)
    assert remaining == 0, f"{remaining} records got no delivery report"
    emit(Finished(sends, clean and is_clean()))


def report(error: KafkaError | None, message: Message) -> None:
    key = message.key()
    if error is None and key is not None:
        emit(Acknowledged(key.decode(), current_trace()))


def consume(bootstrap: str, topic: str) -> None:
    """Process records, committing each, and tell in which trace."""
    stop = told_to_stop()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "faults",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,  # how long a commit waits for a coordinator that has gone
            "reconnect.backoff.max.ms": 500,
            "error_cb": trouble,
        }
    )
    consumer.subscribe([topic], on_assign=lambda *_: emit(Ready()))
    while not stop.is_set():
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        key, value = message.key(), message.value()
        assert key is not None
        assert value is not None
        with consumer.process(message):
            current = current_trace()
        emit(Processed(key.decode(), value.decode(), current, is_clean()))
        try:
            consumer.commit(message=message, asynchronous=False)
        except KafkaException as error:
            trouble(error.args[0])
    consumer.close()
    emit(Finished(0, is_clean()))


def trouble(error: KafkaError) -> None:
    emit(Trouble(error.name()))


if __name__ == "__main__":
    tell_spans()
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
