"""The dead-letter handler: writes to the customers whose orders could not be paid."""

import asyncio
import json

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import write_to_customer
from unbroken.demo.settings import BOOTSTRAP, DEAD_LETTERS, MAX_WAIT_MS, MESSAGES, PARTITIONS

tracer = trace.get_tracer("dead-letter-handler")


async def handle(message: ConsumerRecord) -> None:
    order = json.loads(message.value)
    with tracer.start_as_current_span("write to customer", attributes={"order.id": order["id"]}):
        await asyncio.to_thread(write_to_customer, order)


async def main() -> None:
    telemetry.start("dead-letter-handler")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", fetch_max_wait_ms=MAX_WAIT_MS
    )
    # A service would subscribe() in a group; the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(DEAD_LETTERS, partition) for partition in PARTITIONS])
    async with consumer:
        print("ready", flush=True)
        handled = 0
        while handled < MESSAGES:
            message = await consumer.getone()
            with tracer.start_as_current_span(f"process {message.topic}", kind=SpanKind.CONSUMER):
                await handle(message)
            handled += 1


if __name__ == "__main__":
    asyncio.run(main())
