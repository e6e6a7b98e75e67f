"""confluent-kafka: its plain, serializing, asyncio and share clients."""

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar

import confluent_kafka
from confluent_kafka.error import ValueSerializationError

from tests.contract.clients.driver import (
    HEARTBEAT_MS,
    MAX_BYTES,
    PATIENCE,
    KafkaClient,
    OnLoop,
    Pairs,
    Reader,
    admin,
    made,
    settled,
)
from unbroken.clients import confluent_kafka as our_confluent


class ConfluentReader(Reader):
    """Reads by `consume` where the class has it, else by `poll`."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        if isinstance(self.consumer, confluent_kafka.DeserializingConsumer):
            message = self.consumer.poll(0.5)
            messages = [] if message is None else [message]
        else:
            messages = self.consumer.consume(limit, 0.5)
        return [message for message in messages if message.error() is None]


class Confluent(KafkaClient):
    name = "confluent"
    too_large = "MSG_SIZE_TOO_LARGE"
    plain_consumer_tells = False
    producer_class: ClassVar[Any] = our_confluent.Producer
    consumer_class: ClassVar[Any] = our_confluent.Consumer
    plain_consumer_class: ClassVar[Any] = confluent_kafka.Consumer

    @property
    def settings(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap, "client.id": "contract"}

    @property
    def producer_settings(self) -> dict[str, Any]:
        # Old versions look for a new topic when they refresh all metadata.
        refresh = {"topic.metadata.refresh.interval.ms": 100}
        return {**self.settings, **refresh, "message.max.bytes": MAX_BYTES, "linger.ms": 0}

    @functools.cached_property
    def producer(self) -> Any:
        return self.producer_class(self.producer_settings)

    @functools.cached_property
    def plain_producer(self) -> Any:
        return confluent_kafka.Producer(self.producer_settings)

    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        self.producer.produce(topic, value=value, key=key, partition=partition, headers=headers)

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        self.producer.produce(topic, value, None, 0, None, None, 0, headers)

    def send_plain(self, topic: str, value: Any, headers: Any) -> None:
        self.plain_producer.produce(topic, value, partition=0, headers=headers)
        assert self.plain_producer.flush(PATIENCE) == 0

    def flush(self) -> None:
        assert self.producer.flush(PATIENCE) == 0

    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        producer = self.producer_class({**self.producer_settings, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(PATIENCE)
        producer.begin_transaction()
        for value in values:
            producer.produce(topic, value=value, partition=0)
        if commit:
            producer.commit_transaction(PATIENCE)
        else:
            assert producer.flush(PATIENCE) == 0
            producer.abort_transaction(PATIENCE)

    def consumer_settings(self, group: str | None, committed: bool) -> dict[str, Any]:
        return {
            **self.settings,
            "group.id": group or "contract-readers",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "heartbeat.interval.ms": HEARTBEAT_MS,
        }

    @contextmanager
    def reader(
        self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False
    ) -> Iterator[Reader]:
        kind = self.plain_consumer_class if plain else self.consumer_class
        consumer = kind(self.consumer_settings(group, committed))
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        try:
            yield ConfluentReader(consumer)
        finally:
            consumer.close()

    @contextmanager
    def member(self, topic: str, group: str) -> Iterator[Reader]:
        consumer = self.consumer_class(self.consumer_settings(group, False))
        consumer.subscribe([topic])
        try:
            yield ConfluentReader(consumer)
        finally:
            consumer.close()

    def value(self, message: Any) -> Any:
        return message.value()

    def pairs(self, message: Any) -> Pairs:
        return list(message.headers() or ())

    def position(self, message: Any) -> tuple[int, int]:
        return message.partition(), message.offset()


class ConfluentSerializing(Confluent):
    name = "confluent-serializing"
    refuses = (ValueSerializationError,)
    producer_class = our_confluent.SerializingProducer
    consumer_class = our_confluent.DeserializingConsumer
    plain_consumer_class = confluent_kafka.DeserializingConsumer

    @property
    def producer_settings(self) -> dict[str, Any]:
        return {**super().producer_settings, "value.serializer": as_it_is}

    @functools.cached_property
    def plain_producer(self) -> Any:
        return confluent_kafka.Producer(super().producer_settings)

    def consumer_settings(self, group: str | None, committed: bool) -> dict[str, Any]:
        return {**super().consumer_settings(group, committed), "value.deserializer": as_it_is}

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        self.producer.produce(topic, None, value, 0, None, 0, headers)


def as_it_is(value: Any, context: object) -> Any:
    """A serializer for bytes."""
    assert value is None or isinstance(value, bytes), "not bytes"
    return value


class ConfluentAIOReader(Reader):
    def __init__(self, client: OnLoop, consumer: Any) -> None:
        self.client = client
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        messages = self.client.run(self.consumer.consume(limit, 0.5))
        return [message for message in messages if message.error() is None]


class ConfluentAIO(OnLoop, Confluent):
    name = "confluent-aio"

    @classmethod
    def missing(cls) -> str | None:
        has_them = find_spec("confluent_kafka.aio") is not None
        return None if has_them else "this version of confluent-kafka has no asyncio clients"

    @functools.cached_property
    def producer(self) -> Any:
        from unbroken.clients.confluent_kafka.aio import AIOProducer

        producer = self.run(made(AIOProducer, self.producer_settings))
        self.closing.callback(lambda: self.run(producer.close()))
        return producer

    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        sent = self.producer.produce(topic, value=value, key=key, partition=partition, headers=headers)
        future = self.run(sent)
        if future.done():  # what the client refuses is raised by its future
            future.result()
        self.pending.append(future)

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        """Not possible: the client takes three arguments by their place."""
        self.pending.append(self.run(self.producer.produce(topic, value, None, partition=0, headers=headers)))

    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        self.run(self._transact(topic, values, commit))

    async def _transact(self, topic: str, values: list[bytes], commit: bool) -> None:
        from unbroken.clients.confluent_kafka.aio import AIOProducer

        producer = AIOProducer({**self.producer_settings, "transactional.id": uuid.uuid4().hex})
        await producer.init_transactions(PATIENCE)
        await producer.begin_transaction()
        sent = [await producer.produce(topic, value=value, partition=0) for value in values]
        await (producer.commit_transaction(PATIENCE) if commit else producer.abort_transaction(PATIENCE))
        await settled(sent)
        await producer.close()

    def reader(self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False) -> Any:
        settings = self.consumer_settings(group, committed)
        position = [confluent_kafka.TopicPartition(topic, 0, 0)]
        return self._reading(settings, plain, lambda consumer: consumer.assign(position))

    def member(self, topic: str, group: str) -> Any:
        settings = self.consumer_settings(group, False)
        return self._reading(settings, False, lambda consumer: consumer.subscribe([topic]))

    @contextmanager
    def _reading(self, settings: dict[str, Any], plain: bool, begin: Any) -> Iterator[Reader]:
        from unbroken.clients.confluent_kafka.aio import AIOConsumer

        plain_class = confluent_kafka.aio.AIOConsumer
        consumer = self.run(made(plain_class if plain else AIOConsumer, settings))
        self.run(begin(consumer))
        try:
            yield ConfluentAIOReader(self, consumer)
        finally:
            self.run(consumer.close())


class ShareReader(Reader):
    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        return [message for message in self.consumer.poll(0.5) if message.error() is None]

    def take(self, count: int) -> list[Any]:
        """The next messages; a share consumer gives as many as it likes."""
        messages = super().take(count)
        assert len(messages) == count
        return messages


class ConfluentShare(Confluent):
    """Consumes through a share group; the embedded broker knows none."""

    name = "confluent-share"
    consumer_class = our_confluent.ShareConsumer
    has_partitions = False

    @classmethod
    def missing(cls) -> str | None:
        has_it = hasattr(confluent_kafka, "ShareConsumer")
        return None if has_it else "this version of confluent-kafka has no ShareConsumer"

    @contextmanager
    def reader(
        self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False
    ) -> Iterator[Reader]:
        group = group or f"contract-{uuid.uuid4().hex}"
        self._from_the_beginning(group, committed)
        kind = confluent_kafka.ShareConsumer if plain else self.consumer_class
        consumer = kind({**self.settings, "group.id": group})
        consumer.subscribe([topic])
        try:
            yield ShareReader(consumer)
        finally:
            consumer.close()

    def _from_the_beginning(self, group: str, committed: bool) -> None:
        settings = {
            "share.auto.offset.reset": "earliest",
            "share.isolation.level": "read_committed" if committed else "read_uncommitted",
        }
        resource = admin.ConfigResource(admin.ConfigResource.Type.GROUP, group)
        for name, value in settings.items():
            operation = admin.AlterConfigOpType.SET
            resource.add_incremental_config(admin.ConfigEntry(name, value, incremental_operation=operation))
        client = admin.AdminClient({"bootstrap.servers": self.bootstrap})
        client.incremental_alter_configs([resource])[resource].result(PATIENCE)
