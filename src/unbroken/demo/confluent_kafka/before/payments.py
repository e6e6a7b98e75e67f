"""The payment service: charges each order's card; a failed charge goes to the retry topic, then to the dead letters."""

import json
import logging

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import BankError, charge
from unbroken.demo.settings import BOOTSTRAP, DEAD_LETTERS, MAX_WAIT_MS, MESSAGES, ORDERS, PARTITIONS, RETRY

NEXT: dict[str | None, str] = {ORDERS: RETRY, RETRY: DEAD_LETTERS}

tracer = trace.get_tracer("payment-service")
log = logging.getLogger("payment-service")


def handle(message: Message, producer: Producer) -> None:
    order = json.loads(message.value() or "")
    try:
        with tracer.start_as_current_span("charge card", attributes={"order.id": order["id"]}):
            charge(order)
    except BankError as error:
        publish_again(message, producer, error)


def publish_again(message: Message, producer: Producer, error: BankError) -> None:
    topic = NEXT[message.topic()]
    log.warning("%s, goes to %s", error, topic)
    with tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER):
        producer.produce(topic, message.value(), headers=message.headers())


def main() -> None:
    telemetry.start("payment-service")
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    consumer = Consumer(
        {"bootstrap.servers": BOOTSTRAP, "group.id": "payments", "fetch.wait.max.ms": MAX_WAIT_MS},
    )
    # A service would subscribe(); the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(topic, partition, 0) for topic in (ORDERS, RETRY) for partition in PARTITIONS])
    print("ready", flush=True)
    handled = 0
    while handled < MESSAGES:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        with tracer.start_as_current_span(f"process {message.topic()}", kind=SpanKind.CONSUMER):
            handle(message, producer)
        handled += 1
    producer.flush()
    consumer.close()


if __name__ == "__main__":
    main()
