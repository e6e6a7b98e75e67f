"""aiokafka."""

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiokafka

from tests.contract.clients.driver import HEARTBEAT_MS, MAX_BYTES, KafkaClient, OnLoop, Pairs, Reader, made, settled
from unbroken.clients import aiokafka as our_aiokafka


class AiokafkaReader(Reader):
    def __init__(self, client: OnLoop, consumer: Any) -> None:
        self.client = client
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        found = self.client.run(self.consumer.getmany(timeout_ms=500, max_records=limit))
        return [message for messages in found.values() for message in messages]


class Aiokafka(OnLoop, KafkaClient):
    name = "aiokafka"
    too_large = "aiokafka.errors.MessageSizeTooLargeError"

    @functools.cached_property
    def producer(self) -> Any:
        return self._producer(our_aiokafka.AIOKafkaProducer)

    @functools.cached_property
    def plain_producer(self) -> Any:
        return self._producer(aiokafka.AIOKafkaProducer)

    def _producer(self, kind: Any) -> Any:
        producer = self.run(
            made(kind, bootstrap_servers=self.bootstrap, client_id="contract", max_request_size=MAX_BYTES)
        )
        self.run(producer.start())
        self.closing.callback(lambda: self.run(producer.stop()))
        return producer

    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        sent = self.producer.send(topic, value=value, key=key, partition=partition, headers=headers)
        self.pending.append(self.run(sent))

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        self.pending.append(self.run(self.producer.send(topic, value, None, 0, None, headers)))

    def send_plain(self, topic: str, value: Any, headers: Any) -> None:
        self.run(self.plain_producer.send_and_wait(topic, value, partition=0, headers=headers))

    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        self.run(self._transact(topic, values, commit))

    async def _transact(self, topic: str, values: list[bytes], commit: bool) -> None:
        producer = our_aiokafka.AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, client_id="contract", transactional_id=uuid.uuid4().hex
        )
        async with producer:
            await producer.begin_transaction()
            sent = [await producer.send(topic, value, partition=0) for value in values]
            if not commit:
                await settled(sent)
            await (producer.commit_transaction() if commit else producer.abort_transaction())
            await settled(sent)

    def reader(self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False) -> Any:
        kind = aiokafka.AIOKafkaConsumer if plain else our_aiokafka.AIOKafkaConsumer
        return self._reading(kind, topic, None, group=group, committed=committed)

    def member(self, topic: str, group: str) -> Any:
        return self._reading(our_aiokafka.AIOKafkaConsumer, None, topic, group=group, committed=False)

    @contextmanager
    def _reading(
        self, kind: Any, assigned: str | None, subscribed: str | None, *, group: str | None, committed: bool
    ) -> Iterator[Reader]:
        topics = [subscribed] if subscribed else []
        consumer = self.run(
            made(
                kind,
                *topics,
                bootstrap_servers=self.bootstrap,
                client_id="contract",
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed" if committed else "read_uncommitted",
                heartbeat_interval_ms=HEARTBEAT_MS,
            )
        )
        try:
            self.run(self._begin(consumer, assigned))
            yield AiokafkaReader(self, consumer)
        finally:
            self.run(consumer.stop())

    async def _begin(self, consumer: Any, assigned: str | None) -> None:
        await consumer.start()
        if assigned:
            partition = aiokafka.TopicPartition(assigned, 0)
            consumer.assign([partition])
            consumer.seek(partition, 0)

    def value(self, message: Any) -> Any:
        return message.value

    def pairs(self, message: Any) -> Pairs:
        return list(message.headers)

    def position(self, message: Any) -> tuple[int, int]:
        return message.partition, message.offset
