"""One driver per client: the same few verbs over each library, so that every test of the contract runs on all of them.

A driver sends with its drop-in class and with the client's own, and reads one partition from its beginning. Clients of
asyncio run on a loop of the driver's own, in tasks that begin with the context of the test.
"""

import asyncio
import functools
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

import aiokafka
import confluent_kafka
import kafka
from confluent_kafka import admin as confluent_admin
from confluent_kafka.error import ValueSerializationError

from unbroken.clients import aiokafka as our_aiokafka
from unbroken.clients import confluent_kafka as our_confluent
from unbroken.clients import kafka_python as our_kafka

T = TypeVar("T")
admin: Any = confluent_admin  # it does not declare all that it exports

PATIENCE = 30.0
"""Seconds until a message that does not come fails the test."""
MAX_BYTES = 8 << 20
"""What the producers are allowed to send in one message."""
HEARTBEAT_MS = 300
"""Of members of a group: a rebalance is seen with the next heartbeat."""


class Reader(ABC):
    """A consumer at work. `consumer` is the client's object, for `process(message, reader.consumer)`."""

    consumer: Any

    @abstractmethod
    def some(self, limit: int) -> list[Any]:
        """The messages that are there now or within half a second, at most `limit`."""

    def take(self, count: int) -> list[Any]:
        """The next messages, exactly so many."""
        deadline = time.monotonic() + PATIENCE
        messages: list[Any] = []
        while len(messages) < count:
            assert time.monotonic() < deadline, f"{len(messages)} of {count} messages came"
            messages += self.some(count - len(messages))
        return messages

    def one(self) -> Any:
        """The next message."""
        return self.take(1)[0]


class Client(ABC):
    """A client library, behind the verbs of the tests.

    Attributes:
        name: for the id of the test.
        sends_null_headers: whether the client can produce a header without a value.
        refuses: what it raises for a value that it cannot send.
        too_large: `error.type` when the broker refuses the size of a message.
        plain_consumer_tells: whether the client's own consumer knows its group without asking the broker.
        has_partitions: whether its groups assign partitions, which a rebalance takes away.
    """

    name: ClassVar[str]
    sends_null_headers: ClassVar[bool] = True
    refuses: ClassVar[tuple[type[Exception], ...]] = (TypeError, AssertionError)
    too_large: ClassVar[str]
    plain_consumer_tells: ClassVar[bool] = True
    has_partitions: ClassVar[bool] = True

    def __init__(self, bootstrap: str, embedded: bool) -> None:
        self.bootstrap = bootstrap
        self.embedded = embedded
        self.closing = ExitStack()

    @classmethod
    def missing(cls) -> str | None:
        """What the installed version of the client lacks for this driver."""
        return None

    def close(self) -> None:
        """Give everything back."""
        self.closing.close()

    def send(self, topic: str, value: Any = b"value", *, key: Any = None, headers: Any = None) -> None:
        """Send to partition 0 with the drop-in producer; `flush` waits for the broker."""
        self.send_to(topic, 0, value, key=key, headers=headers)

    @abstractmethod
    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        """Send to a partition with the drop-in producer."""

    @abstractmethod
    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        """Send with every argument up to the headers given by its place."""

    @abstractmethod
    def send_plain(self, topic: str, value: Any, headers: Any) -> None:
        """Send to partition 0 with the client's own producer and wait for the broker."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until the broker has answered for every message; its errors stay on the spans."""

    @abstractmethod
    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        """Send in one transaction and commit or abort it."""

    def transactions_missing(self) -> str | None:
        """What the installed version of the client lacks for transactions."""
        return None

    @abstractmethod
    def reader(self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False) -> Any:
        """A block with a Reader of partition 0 from its beginning; `committed` leaves out aborted messages."""

    @abstractmethod
    def member(self, topic: str, group: str) -> Any:
        """A block with a Reader that is a member of a group, which assigns it partitions."""

    @abstractmethod
    def value(self, message: Any) -> Any:
        """The value of a message."""

    @abstractmethod
    def headers(self, message: Any) -> list[tuple[str, Any]]:
        """The headers of a message, all of them."""

    @abstractmethod
    def position(self, message: Any) -> tuple[int, int]:
        """Partition and offset of a message."""

    def create_topic(self, topic: str, *, partitions: int = 1, **config: Any) -> None:
        """Make a topic with settings of its own. The embedded broker answers no such request and makes any on use."""
        if self.embedded:
            return
        client = admin.AdminClient({"bootstrap.servers": self.bootstrap})
        settings = {name.replace("_", "."): str(value) for name, value in config.items()}
        wanted = admin.NewTopic(topic, partitions, 1, config=settings)
        client.create_topics([wanted])[topic].result(PATIENCE)


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


class Confluent(Client):
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

    def headers(self, message: Any) -> list[tuple[str, Any]]:
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


class OnLoop(Client):
    """A client of asyncio, with a loop of its own."""

    def __init__(self, bootstrap: str, embedded: bool) -> None:
        super().__init__(bootstrap, embedded)
        self.loop = asyncio.new_event_loop()
        self.closing.callback(self.loop.close)
        self.pending: list[asyncio.Future[Any]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def flush(self) -> None:
        pending, self.pending = self.pending, []
        self.run(settled(pending))


async def settled(futures: list["asyncio.Future[Any]"]) -> None:
    """Return when all are done; an error is the business of the spans."""
    await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE)


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
        from unbroken.clients.confluent_kafka_aio import AIOProducer

        producer = self.run(made(AIOProducer, self.producer_settings))
        self.closing.callback(lambda: self.run(producer.close()))
        return producer

    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        sent = self.producer.produce(topic, value=value, key=key, partition=partition, headers=headers)
        self.pending.append(self.run(sent))

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        """Not possible: the client takes three arguments by their place."""
        self.pending.append(self.run(self.producer.produce(topic, value, None, partition=0, headers=headers)))

    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        self.run(self._transact(topic, values, commit))

    async def _transact(self, topic: str, values: list[bytes], commit: bool) -> None:
        from unbroken.clients.confluent_kafka_aio import AIOProducer

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
        from unbroken.clients.confluent_kafka_aio import AIOConsumer

        plain_class = confluent_kafka.aio.AIOConsumer
        consumer = self.run(made(plain_class if plain else AIOConsumer, settings))
        self.run(begin(consumer))
        try:
            yield ConfluentAIOReader(self, consumer)
        finally:
            self.run(consumer.close())


async def made(kind: Any, *args: Any, **named: Any) -> Any:
    """An object that can be made only while a loop runs."""
    return kind(*args, **named)


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


class AiokafkaReader(Reader):
    def __init__(self, client: OnLoop, consumer: Any) -> None:
        self.client = client
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        found = self.client.run(self.consumer.getmany(timeout_ms=500, max_records=limit))
        return [message for messages in found.values() for message in messages]


class Aiokafka(OnLoop):
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

    def headers(self, message: Any) -> list[tuple[str, Any]]:
        return list(message.headers)

    def position(self, message: Any) -> tuple[int, int]:
        return message.partition, message.offset


class KafkaPythonReader(Reader):
    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        found = self.consumer.poll(timeout_ms=500, max_records=limit)
        return [message for messages in found.values() for message in messages]


class KafkaPython(Client):
    name = "kafka-python"
    sends_null_headers = False
    too_large = "kafka.errors.MessageSizeTooLargeError"

    def __init__(self, bootstrap: str, embedded: bool) -> None:
        super().__init__(bootstrap, embedded)
        self.pending: list[Any] = []

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "client_id": "contract"}
        if self.embedded or kafka.__version__.startswith("2.0."):
            settings["api_version"] = (2, 0)  # what it would ask for, the embedded broker does not know
        return settings

    @functools.cached_property
    def producer(self) -> Any:
        return self._producer(our_kafka.KafkaProducer)

    @functools.cached_property
    def plain_producer(self) -> Any:
        return self._producer(kafka.KafkaProducer)

    def _producer(self, kind: Any, **more: Any) -> Any:
        producer = kind(**self.settings, max_request_size=MAX_BYTES, **more)
        self.closing.callback(producer.close)
        return producer

    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        self.pending.append(self.producer.send(topic, value=value, key=key, headers=headers, partition=partition))

    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        self.pending.append(self.producer.send(topic, value, None, headers, 0))

    def send_plain(self, topic: str, value: Any, headers: Any) -> None:
        self.plain_producer.send(topic, value, headers=headers, partition=0).get(PATIENCE)

    def flush(self) -> None:
        pending, self.pending = self.pending, []
        self._wait(pending)

    def _wait(self, futures: list[Any]) -> None:
        for future in futures:
            try:
                future.get(PATIENCE)
            except kafka.errors.KafkaError:  # the business of the spans
                assert future.is_done

    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        producer = self._producer(our_kafka.KafkaProducer, transactional_id=uuid.uuid4().hex)
        producer.init_transactions()
        producer.begin_transaction()
        sent = [producer.send(topic, value, partition=0) for value in values]
        if commit:
            producer.commit_transaction()
        else:
            self._wait(sent)
            producer.abort_transaction()
        self._wait(sent)

    def transactions_missing(self) -> str | None:
        has_them = hasattr(kafka.KafkaProducer, "init_transactions")
        return None if has_them else "this kafka-python has no transactions yet"

    @contextmanager
    def reader(
        self, topic: str, *, plain: bool = False, group: str | None = None, committed: bool = False
    ) -> Iterator[Reader]:
        kind = kafka.KafkaConsumer if plain else our_kafka.KafkaConsumer
        more = {"isolation_level": "read_committed"} if committed else {}
        consumer = kind(**self.settings, group_id=group, enable_auto_commit=False, **more)
        partition = kafka.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        try:
            yield KafkaPythonReader(consumer)
        finally:
            consumer.close()

    @contextmanager
    def member(self, topic: str, group: str) -> Iterator[Reader]:
        consumer = our_kafka.KafkaConsumer(
            topic,
            **self.settings,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=HEARTBEAT_MS,
        )
        try:
            yield KafkaPythonReader(consumer)
        finally:
            consumer.close()

    def value(self, message: Any) -> Any:
        return message.value

    def headers(self, message: Any) -> list[tuple[str, Any]]:
        return list(message.headers)

    def position(self, message: Any) -> tuple[int, int]:
        return message.partition, message.offset


CLIENTS: list[type[Client]] = [Confluent, ConfluentSerializing, ConfluentAIO, ConfluentShare, Aiokafka, KafkaPython]
