import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.instrumentation.apps.shop import after, handle


async def main(bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, client_id="till") as producer:
        for number in range(7):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)

    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, client_id="desk")
    await consumer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    await asyncio.wait_for(consumer.getone(), 10)
    handle("wait_for")
    await consumer.getone()
    await asyncio.sleep(0)
    handle("getone")
    async for _ in consumer:
        handle("async for")
        break
    count = 0
    while count < 2:
        records = await consumer.getmany(partition, timeout_ms=5000, max_records=3 - count)
        count += sum(map(len, records.values()))
        handle("the batch")
    assert await consumer.getmany(partition, timeout_ms=5000, max_records=1)
    handle("one of getmany")
    await consumer.stop()
    after()


asyncio.run(main(*sys.argv[1:]))
