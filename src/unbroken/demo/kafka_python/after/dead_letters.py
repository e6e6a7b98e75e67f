"""The dead-letter handler: writes to the customers whose orders could not be paid."""

import json

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from opentelemetry import trace

from unbroken import process
from unbroken.demo import telemetry
from unbroken.demo.bank import write_to_customer
from unbroken.demo.settings import API_VERSION, BOOTSTRAP, DEAD_LETTERS, MAX_WAIT_MS, MESSAGES, PARTITIONS

tracer = trace.get_tracer("dead-letter-handler")


def handle(message: ConsumerRecord) -> None:
    order = json.loads(message.value)
    with tracer.start_as_current_span("write to customer", attributes={"order.id": order["id"]}):
        write_to_customer(order)


def main() -> None:
    telemetry.start("dead-letter-handler")
    consumer = KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        api_version=API_VERSION,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=MAX_WAIT_MS,
    )
    # A service would subscribe() in a group; the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(DEAD_LETTERS, partition) for partition in PARTITIONS])
    print("ready", flush=True)
    for handled, message in enumerate(consumer, start=1):
        with process(message):
            handle(message)
        if handled == MESSAGES:
            break
    consumer.close()


if __name__ == "__main__":
    main()
