import asyncio
import sys

from confluent_kafka import TopicPartition
from confluent_kafka.aio import AIOConsumer, AIOProducer

from tests.instrumentation.apps.shop import after, handle


async def main(bootstrap: str, topic: str) -> None:
    producer = AIOProducer({"bootstrap.servers": bootstrap})
    for number in range(3):
        await (await producer.produce(topic, f"{number}", partition=0))
    await producer.close()

    consumer = AIOConsumer({"bootstrap.servers": bootstrap, "group.id": "shop"})
    await consumer.assign([TopicPartition(topic, 0, 0)])
    for number in range(2):
        while (await consumer.poll(0.5)) is None:
            pass
        await asyncio.sleep(0)
        handle(f"{number}")
    while not await consumer.consume(2, 0.5):
        pass
    handle("the batch")
    await consumer.close()
    after()


asyncio.run(main(*sys.argv[1:]))
