"""The same with stock code: the span is not current, and nobody told the next broker about it."""

import asyncio
import json

import aio_pika
from aiokafka import AIOKafkaConsumer
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from interop.python import service

tracer = trace.get_tracer("dead-letters")


async def main() -> None:
    """Serve until nobody wants it."""
    service.start("dead-letters")
    consumer = AIOKafkaConsumer(
        service.PRICED_DLT, bootstrap_servers=service.KAFKA, group_id="dead-letters", auto_offset_reset="earliest"
    )
    connection = await aio_pika.connect(service.AMQP)
    async with connection, consumer:
        channel = await connection.channel()
        await channel.declare_queue(service.REFUNDS, durable=True)
        service.ready()
        while service.is_wanted():
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    order = json.loads(record.value)
                    carrier = {key: value.decode("utf-8", "replace") for key, value in record.headers}
                    span = tracer.start_span(
                        "process priced-dlt", propagate.extract(carrier), SpanKind.CONSUMER, {"order.id": order["id"]}
                    )
                    service.tell(order["id"], span)
                    message = aio_pika.Message(json.dumps(order).encode())
                    await channel.default_exchange.publish(message, service.REFUNDS)
                    span.end()


if __name__ == "__main__":
    asyncio.run(main())
