"""The order service: accepts orders and refunds and publishes them.

A real one has HTTP; here each line of the standard input is a request.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import reserve
from unbroken.demo.settings import BOOTSTRAP, ORDERS, REFUNDS

TOPICS = {"orders": ORDERS, "refunds": REFUNDS}

tracer = trace.get_tracer("order-service")


async def accept(producer: AIOKafkaProducer, path: str, order: dict[str, str]) -> None:
    with tracer.start_as_current_span(f"POST /{path}", kind=SpanKind.SERVER, attributes={"order.id": order["id"]}):
        await asyncio.to_thread(reserve, order)
        await publish(producer, TOPICS[path], order)


async def publish(producer: AIOKafkaProducer, topic: str, order: dict[str, str]) -> None:
    with tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER):
        carrier: dict[str, str] = {}
        inject(carrier)
        headers = [(name, value.encode()) for name, value in carrier.items()]
        await producer.send_and_wait(topic, json.dumps(order).encode(), headers=headers)


async def main() -> None:
    telemetry.start("order-service")
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            await accept(producer, request["path"], request["order"])


if __name__ == "__main__":
    asyncio.run(main())
