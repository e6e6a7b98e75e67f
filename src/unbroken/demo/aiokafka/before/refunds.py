"""The refund worker: pays back ten refunds at a time, because that is how the bank takes them."""

import asyncio
import json

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import pay_back
from unbroken.demo.settings import BOOTSTRAP, MAX_WAIT_MS, MESSAGES, PARTITIONS, REFUNDS

BATCH = 10

tracer = trace.get_tracer("refund-worker")


async def handle(message: ConsumerRecord) -> None:
    refund = json.loads(message.value)
    with tracer.start_as_current_span("pay back", attributes={"order.id": refund["id"]}):
        await asyncio.to_thread(pay_back, refund)


async def main() -> None:
    telemetry.start("refund-worker")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", fetch_max_wait_ms=MAX_WAIT_MS
    )
    # A service would subscribe() in a group; the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(REFUNDS, partition) for partition in PARTITIONS])
    async with consumer:
        print("ready", flush=True)
        batch: list[ConsumerRecord] = []
        handled = 0
        while handled < MESSAGES:
            found = await consumer.getmany(timeout_ms=1000, max_records=BATCH - len(batch))
            batch += [message for messages in found.values() for message in messages]
            if len(batch) < BATCH:
                continue
            with tracer.start_as_current_span(f"process {REFUNDS}", kind=SpanKind.CONSUMER):
                for message in batch:
                    await handle(message)
            handled += len(batch)
            batch.clear()


if __name__ == "__main__":
    asyncio.run(main())
