import asyncio
import sys

import aio_pika

from tests.instrumentation.apps.shop import after, handle


async def main(url: str, name: str) -> None:
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name)
        for text in ("callback", "loop"):
            await channel.default_exchange.publish(aio_pika.Message(text.encode()), routing_key=name)
        handled = asyncio.Event()

        async def on_message(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            if not handled.is_set():
                handle(message.body.decode())
                await message.ack()
                handled.set()
            else:
                await message.nack(requeue=True)

        await channel.set_qos(prefetch_count=1)
        tag = await queue.consume(on_message)
        await handled.wait()
        await queue.cancel(tag)
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                handle("loop")
                break
    after()


asyncio.run(main(*sys.argv[1:]))
