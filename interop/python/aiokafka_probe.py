"""The probe with aiokafka."""

import asyncio
import os
from typing import Any

import aiokafka

from interop.python import probe
from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_SETTINGS = {"bootstrap_servers": os.environ["UNBROKEN_KAFKA"], "client_id": "probe"}


class Client:
    """aiokafka, in a loop that runs while a command is carried out."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: probe.Headers, *, is_traced: bool
    ) -> None:
        """Write one record; return when the broker has it."""

        async def sent() -> None:
            async with (AIOKafkaProducer if is_traced else aiokafka.AIOKafkaProducer)(**_SETTINGS) as producer:
                await producer.send_and_wait(topic, value, key, headers=headers)

        self._loop.run_until_complete(sent())

    def read(self, topic: str, count: int, group: str) -> tuple[Any, list[Any]]:
        """Return the consumer, and that many messages from the start of the topic."""

        async def read() -> tuple[Any, list[Any]]:
            consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **_SETTINGS)
            consumer.assign([aiokafka.TopicPartition(topic, 0)])
            async with consumer:
                await consumer.seek_to_beginning()
                return consumer, [await consumer.getone() for _ in range(count)]

        return self._loop.run_until_complete(read())


if __name__ == "__main__":
    finish = probe.start(os.environ.get("UNBROKEN_OTLP", ""))
    probe.serve(Client(asyncio.new_event_loop()), finish)
