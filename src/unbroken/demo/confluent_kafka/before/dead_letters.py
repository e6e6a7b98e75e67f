"""The dead-letter handler: writes to the customers whose orders could not be paid."""

import json

from confluent_kafka import Consumer, Message, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import write_to_customer
from unbroken.demo.settings import BOOTSTRAP, DEAD_LETTERS, MAX_WAIT_MS, MESSAGES, PARTITIONS

tracer = trace.get_tracer("dead-letter-handler")


def handle(message: Message) -> None:
    order = json.loads(message.value() or "")
    with tracer.start_as_current_span("write to customer", attributes={"order.id": order["id"]}):
        write_to_customer(order)


def main() -> None:
    telemetry.start("dead-letter-handler")
    consumer = Consumer(
        {"bootstrap.servers": BOOTSTRAP, "group.id": "dead-letters", "fetch.wait.max.ms": MAX_WAIT_MS},
    )
    # A service would subscribe(); the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(DEAD_LETTERS, partition, 0) for partition in PARTITIONS])
    print("ready", flush=True)
    handled = 0
    while handled < MESSAGES:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        with tracer.start_as_current_span(f"process {message.topic()}", kind=SpanKind.CONSUMER):
            handle(message)
        handled += 1
    consumer.close()


if __name__ == "__main__":
    main()
