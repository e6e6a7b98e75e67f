"""The refund worker: pays back ten refunds at a time, because that is how the bank takes them."""

import json

from confluent_kafka import Consumer, Message, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import pay_back
from unbroken.demo.settings import BOOTSTRAP, MAX_WAIT_MS, MESSAGES, PARTITIONS, REFUNDS

BATCH = 10

tracer = trace.get_tracer("refund-worker")


def handle(message: Message) -> None:
    refund = json.loads(message.value() or "")
    with tracer.start_as_current_span("pay back", attributes={"order.id": refund["id"]}):
        pay_back(refund)


def main() -> None:
    telemetry.start("refund-worker")
    consumer = Consumer(
        {"bootstrap.servers": BOOTSTRAP, "group.id": "refunds", "fetch.wait.max.ms": MAX_WAIT_MS},
    )
    # A service would subscribe(); the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(REFUNDS, partition, 0) for partition in PARTITIONS])
    print("ready", flush=True)
    batch: list[Message] = []
    handled = 0
    while handled < MESSAGES:
        messages = consumer.consume(BATCH - len(batch), timeout=1.0)
        batch += [message for message in messages if not message.error()]
        if len(batch) < BATCH:
            continue
        with tracer.start_as_current_span(f"process {REFUNDS}", kind=SpanKind.CONSUMER):
            for message in batch:
                handle(message)
        handled += len(batch)
        batch.clear()
    consumer.close()


if __name__ == "__main__":
    main()
