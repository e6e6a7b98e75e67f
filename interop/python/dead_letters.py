"""Takes what could not be paid: Kafka `priced-dlt` → RabbitMQ `refunds`, with aiokafka and aio-pika."""

import asyncio
import json

from aio_pika import Message

from interop.python import service
from unbroken.clients.aio_pika import connect
from unbroken.clients.aiokafka import AIOKafkaConsumer


async def main() -> None:
    """Serve until nobody wants it."""
    service.start("dead-letters")
    consumer = AIOKafkaConsumer(
        service.PRICED_DLT, bootstrap_servers=service.KAFKA, group_id="dead-letters", auto_offset_reset="earliest"
    )
    connection = await connect(service.AMQP)
    async with connection, consumer:
        channel = await connection.channel()
        await channel.declare_queue(service.REFUNDS, durable=True)
        service.ready()
        while service.is_wanted():
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    with consumer.process(record):
                        order = json.loads(record.value)
                        message = Message(json.dumps(order).encode())
                        await channel.default_exchange.publish(message, service.REFUNDS)
                        service.tell(order["id"])


if __name__ == "__main__":
    asyncio.run(main())
