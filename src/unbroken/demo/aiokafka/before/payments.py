"""The payment service: charges each order's card; a failed charge goes to the retry topic, then to the dead letters."""

import asyncio
import json
import logging

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import BankError, charge
from unbroken.demo.settings import BOOTSTRAP, DEAD_LETTERS, MAX_WAIT_MS, MESSAGES, ORDERS, PARTITIONS, RETRY

NEXT = {ORDERS: RETRY, RETRY: DEAD_LETTERS}

tracer = trace.get_tracer("payment-service")
log = logging.getLogger("payment-service")


async def handle(message: ConsumerRecord, producer: AIOKafkaProducer) -> None:
    order = json.loads(message.value)
    try:
        with tracer.start_as_current_span("charge card", attributes={"order.id": order["id"]}):
            await asyncio.to_thread(charge, order)
    except BankError as error:
        await publish_again(message, producer, error)


async def publish_again(message: ConsumerRecord, producer: AIOKafkaProducer, error: BankError) -> None:
    topic = NEXT[message.topic]
    log.warning("%s, goes to %s", error, topic)
    with tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER):
        await producer.send_and_wait(topic, message.value, headers=list(message.headers))


async def main() -> None:
    telemetry.start("payment-service")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", fetch_max_wait_ms=MAX_WAIT_MS
    )
    # A service would subscribe() in a group; the demo assigns, because to join a group takes seconds.
    consumer.assign([TopicPartition(topic, partition) for topic in (ORDERS, RETRY) for partition in PARTITIONS])
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer, consumer:
        print("ready", flush=True)
        handled = 0
        while handled < MESSAGES:
            message = await consumer.getone()
            with tracer.start_as_current_span(f"process {message.topic}", kind=SpanKind.CONSUMER):
                await handle(message, producer)
            handled += 1


if __name__ == "__main__":
    asyncio.run(main())
