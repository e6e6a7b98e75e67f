"""The payment service: charges each order's card; a failed charge goes to the retry topic, then to the dead letters."""

import json
import logging

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import BankError, charge
from unbroken.demo.settings import (
    API_VERSION,
    BOOTSTRAP,
    DEAD_LETTERS,
    MAX_WAIT_MS,
    MESSAGES,
    ORDERS,
    PARTITIONS,
    RETRY,
)

NEXT = {ORDERS: RETRY, RETRY: DEAD_LETTERS}

tracer = trace.get_tracer("payment-service")
log = logging.getLogger("payment-service")


def handle(message: ConsumerRecord, producer: KafkaProducer) -> None:
    order = json.loads(message.value)
    try:
        with tracer.start_as_current_span("charge card", attributes={"order.id": order["id"]}):
            charge(order)
    except BankError as error:
        publish_again(message, producer, error)


def publish_again(message: ConsumerRecord, producer: KafkaProducer, error: BankError) -> None:
    topic = NEXT[message.topic]
    log.warning("%s, goes to %s", error, topic)
    with tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER):
        producer.send(topic, message.value, headers=message.headers)


def main() -> None:
    telemetry.start("payment-service")
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, api_version=API_VERSION)
    consumer = KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        api_version=API_VERSION,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=MAX_WAIT_MS,
    )
    # A service would subscribe() in a group; the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(topic, partition) for topic in (ORDERS, RETRY) for partition in PARTITIONS])
    print("ready", flush=True)
    for handled, message in enumerate(consumer, start=1):
        with tracer.start_as_current_span(f"process {message.topic}", kind=SpanKind.CONSUMER):
            handle(message, producer)
        if handled == MESSAGES:
            break
    producer.flush()
    consumer.close()


if __name__ == "__main__":
    main()
