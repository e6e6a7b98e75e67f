"""kafka-python: iterator, send."""

from collections.abc import Callable
from itertools import islice

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, DROP_IN, HAND, OURS
from bench.records import KEY, PRODUCED, USER_HEADERS, VALUE, topic_for
from bench.timing import WARM_UP, Stopwatch

API_VERSION = (2, 0)  # what the embedded broker speaks


def iterator(consumer: KafkaConsumer, count: int) -> None:
    """The loop that is instrumented from outside, or not at all."""
    for _ in islice(consumer, count):
        pass


def iterator_by_hand(consumer: KafkaConsumer, count: int) -> None:
    """The loop with stock OpenTelemetry."""
    for message in islice(consumer, count):
        by_hand.process(message.topic, message.headers)


def iterator_unbroken(consumer: KafkaConsumer, count: int) -> None:
    """The loop with unbroken."""
    from unbroken import process

    for message in islice(consumer, count):
        with process(message):
            pass


def iterator_drop_in(consumer: KafkaConsumer, count: int) -> None:
    """The loop with our consumer, which tells its group and server."""
    from unbroken import process

    for message in islice(consumer, count):
        with process(message, consumer):
            pass


def send(producer: KafkaProducer, count: int) -> None:
    """The loop that is instrumented from outside, by the drop-in class, or not at all."""
    for _ in range(count):
        producer.send(PRODUCED, VALUE, key=KEY, headers=list(USER_HEADERS), partition=0)
    producer.flush()


def send_by_hand(producer: KafkaProducer, count: int) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(count):
        with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
            producer.send(PRODUCED, VALUE, key=KEY, headers=by_hand.injected(USER_HEADERS), partition=0)
    producer.flush()


def send_injecting(producer: KafkaProducer, count: int) -> None:
    """The loop with `inject` and no span."""
    from unbroken import inject

    for _ in range(count):
        producer.send(PRODUCED, VALUE, key=KEY, headers=inject(USER_HEADERS), partition=0)
    producer.flush()


RUNS: dict[str, dict[str, Callable[..., None]]] = {
    "iterator": {BARE: iterator, HAND: iterator_by_hand, OURS: iterator_unbroken, DROP_IN: iterator_drop_in},
    "send": {BARE: send, HAND: send_by_hand, OURS: send_injecting},
}


def measure(loop: str, contender: str, condition: str, bootstrap: str, messages: int) -> float:
    """Return the microseconds per message in `loop`."""
    client = _producer(contender, bootstrap) if loop == "send" else _consumer(contender, bootstrap, condition)
    run = RUNS[loop].get(contender, RUNS[loop][BARE])
    run(client, WARM_UP)
    with Stopwatch() as watch:
        run(client, messages)
    client.close()
    return watch.seconds / messages * 1e6


def _consumer(contender: str, bootstrap: str, condition: str) -> KafkaConsumer:
    kind = KafkaConsumer
    if contender == DROP_IN:
        from unbroken.clients.kafka_python import KafkaConsumer as kind  # noqa: N813
    consumer = kind(bootstrap_servers=bootstrap, api_version=API_VERSION)
    partition = TopicPartition(topic_for(condition), 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    return consumer


def _producer(contender: str, bootstrap: str) -> KafkaProducer:
    kind = KafkaProducer
    if contender == DROP_IN:
        from unbroken.clients.kafka_python import KafkaProducer as kind  # noqa: N813
    return kind(bootstrap_servers=bootstrap, api_version=API_VERSION)
