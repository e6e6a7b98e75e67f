"""confluent-kafka: poll, consume(500), produce."""

import time
from collections.abc import Callable

from confluent_kafka import Consumer, Producer, TopicPartition
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, DDTRACE, DROP_IN, HAND, OURS
from bench.records import KEY, PRODUCED, USER_HEADERS, VALUE, topic_for
from bench.timing import WARM_UP, Stopwatch

BATCH = 500
FETCHING = 0.3  # seconds in which librdkafka fetches the topic, so that no `poll` waits


def poll(consumer: Consumer, count: int) -> None:
    """The loop that is instrumented from outside, or not at all."""
    while count:
        if consumer.poll(1.0) is not None:
            count -= 1


def poll_by_hand(consumer: Consumer, count: int) -> None:
    """The loop with stock OpenTelemetry."""
    while count:
        message = consumer.poll(1.0)
        if message is not None:
            by_hand.process(message.topic(), message.headers())
            count -= 1


def poll_unbroken(consumer: Consumer, count: int) -> None:
    """The loop with unbroken."""
    from unbroken import process

    while count:
        message = consumer.poll(1.0)
        if message is not None:
            with process(message):
                pass
            count -= 1


def poll_drop_in(consumer: Consumer, count: int) -> None:
    """The loop with our consumer, which tells its group and server."""
    from unbroken import process

    while count:
        message = consumer.poll(1.0)
        if message is not None:
            with process(message, consumer):
                pass
            count -= 1


def consume(consumer: Consumer, count: int) -> None:
    """Batches, instrumented from outside or not at all."""
    while count > 0:
        for _ in consumer.consume(BATCH, 1.0):
            count -= 1


def consume_by_hand(consumer: Consumer, count: int) -> None:
    """Batches with stock OpenTelemetry around each message."""
    while count > 0:
        for message in consumer.consume(BATCH, 1.0):
            by_hand.process(message.topic(), message.headers())
            count -= 1


def consume_unbroken(consumer: Consumer, count: int) -> None:
    """Batches with unbroken around each message."""
    from unbroken import process

    while count > 0:
        for message in consumer.consume(BATCH, 1.0):
            with process(message):
                pass
            count -= 1


def consume_drop_in(consumer: Consumer, count: int) -> None:
    """Batches with our consumer, which tells its group and server around each message."""
    from unbroken import process

    while count > 0:
        for message in consumer.consume(BATCH, 1.0):
            with process(message, consumer):
                pass
            count -= 1


def produce(producer: Producer, count: int) -> None:
    """The loop that is instrumented from outside, by the drop-in class, or not at all."""
    for _ in range(count):
        producer.produce(PRODUCED, VALUE, key=KEY, headers=list(USER_HEADERS), partition=0)
        producer.poll(0)
    producer.flush(60)


def produce_by_hand(producer: Producer, count: int) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(count):
        with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
            producer.produce(PRODUCED, VALUE, key=KEY, headers=by_hand.injected(USER_HEADERS), partition=0)
        producer.poll(0)
    producer.flush(60)


def produce_dict(producer: Producer, count: int) -> None:
    """The bare loop with a dict of headers: ddtrace raises `TypeError` when it finds a list."""
    for _ in range(count):
        producer.produce(PRODUCED, VALUE, key=KEY, headers=dict(USER_HEADERS), partition=0)
        producer.poll(0)
    producer.flush(60)


def produce_injecting(producer: Producer, count: int) -> None:
    """The loop with `inject` and no span."""
    from unbroken import inject

    for _ in range(count):
        producer.produce(PRODUCED, VALUE, key=KEY, headers=inject(USER_HEADERS), partition=0)
        producer.poll(0)
    producer.flush(60)


RUNS: dict[str, dict[str, Callable[..., None]]] = {
    "poll": {BARE: poll, HAND: poll_by_hand, OURS: poll_unbroken, DROP_IN: poll_drop_in},
    "consume(500)": {BARE: consume, HAND: consume_by_hand, OURS: consume_unbroken, DROP_IN: consume_drop_in},
    "produce": {BARE: produce, HAND: produce_by_hand, DDTRACE: produce_dict, OURS: produce_injecting},
}


def measure(loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> float:
    """Return the microseconds per message in `loop`."""
    client = _producer(contender, bootstrap) if loop == "produce" else _consumer(contender, bootstrap, condition)
    run = RUNS[loop].get(contender, RUNS[loop][BARE])
    run(client, WARM_UP)
    time.sleep(FETCHING)
    with Stopwatch() as watch:
        run(client, messages)
    return watch.seconds / messages * 1e6


def _consumer(contender: str, bootstrap: str, condition: str) -> Consumer:
    kind = Consumer
    if contender == DROP_IN:
        from unbroken.clients.confluent_kafka import Consumer as kind  # noqa: N813
    consumer = kind({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic_for(condition), 0, 0)])
    return consumer


def _producer(contender: str, bootstrap: str) -> Producer:
    kind = Producer
    if contender == DROP_IN:
        from unbroken.clients.confluent_kafka import Producer as kind  # noqa: N813
    return kind({"bootstrap.servers": bootstrap})
