"""The clients as the scenarios use them: one class each, all asynchronous so that a scenario is written once.

Every call is awaited in place, never in a task of its own, so what a contender attaches is seen by the scenario.
"""

# ruff: noqa: D102 - what the methods do stands once, at `Client`

from typing import Any, Protocol

Headers = list[tuple[str, bytes]]

FIRST_RECORD = 10.0
"""Seconds in which the first record of a topic has to be there."""
IDLE = 0.3
"""Seconds after which a topic has nothing more."""


class Client(Protocol):
    """A Kafka client."""

    async def consumer(self, topic: str) -> Any:
        """Return a consumer that reads partition 0 of the topic from its beginning."""

    async def one(self, consumer: Any) -> Any:
        """Return the next record, by the call that a loop uses."""

    async def idle(self, consumer: Any) -> None:
        """Ask for a record where there is none."""

    async def many(self, consumer: Any, count: int) -> list[Any]:
        """Return a batch."""

    async def send(self, topic: str, value: bytes, headers: Any, *, positional: bool = False) -> None:
        """Produce to partition 0 and wait for the delivery."""

    def headers(self, record: Any) -> Any:
        """Return the record's headers in the shape in which the client sends them."""

    def value(self, record: Any) -> bytes | None:
        """Return the record's value."""

    async def close(self, consumer: Any) -> None:
        """Close the consumer."""


class ConfluentKafka:
    """confluent-kafka; the classes are looked up when they are used, after the instrumentation has started."""

    def __init__(self, bootstrap: str, ours: bool) -> None:
        import confluent_kafka

        self._bootstrap = bootstrap
        self._library = confluent_kafka
        self._classes: Any = confluent_kafka
        if ours:
            from unbroken.clients import confluent_kafka as drop_in

            self._classes = drop_in

    async def consumer(self, topic: str) -> Any:
        config = {"bootstrap.servers": self._bootstrap, "group.id": "behaviour", "enable.auto.commit": False}
        consumer = self._classes.Consumer(config)
        consumer.assign([self._library.TopicPartition(topic, 0, 0)])
        return consumer

    async def one(self, consumer: Any) -> Any:
        return consumer.poll(FIRST_RECORD)

    async def idle(self, consumer: Any) -> None:
        consumer.poll(IDLE)

    async def many(self, consumer: Any, count: int) -> list[Any]:
        records: list[Any] = consumer.consume(count, FIRST_RECORD)
        return records

    async def send(self, topic: str, value: bytes, headers: Any, *, positional: bool = False) -> None:
        producer = self._classes.Producer({"bootstrap.servers": self._bootstrap})
        if positional:
            producer.produce(topic, value, None, 0, None, None, 0, headers)
        else:
            producer.produce(topic, value, partition=0, headers=headers)
        producer.flush(FIRST_RECORD)

    def headers(self, record: Any) -> Any:
        return record.headers()

    def value(self, record: Any) -> bytes | None:
        value: bytes | None = record.value()
        return value

    async def close(self, consumer: Any) -> None:
        consumer.close()


class AIOKafka:
    """aiokafka."""

    def __init__(self, bootstrap: str, ours: bool) -> None:
        import aiokafka

        self._bootstrap = bootstrap
        self._library = aiokafka
        self._classes: Any = aiokafka
        if ours:
            from unbroken.clients import aiokafka as drop_in

            self._classes = drop_in

    async def consumer(self, topic: str) -> Any:
        consumer = self._classes.AIOKafkaConsumer(bootstrap_servers=self._bootstrap)
        await consumer.start()
        partition = self._library.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        return consumer

    async def one(self, consumer: Any) -> Any:
        return await consumer.getone()

    async def idle(self, consumer: Any) -> None:
        await consumer.getmany(timeout_ms=int(IDLE * 1000))

    async def many(self, consumer: Any, count: int) -> list[Any]:
        found = await consumer.getmany(timeout_ms=int(FIRST_RECORD * 1000), max_records=count)
        return [record for records in found.values() for record in records]

    async def send(self, topic: str, value: bytes, headers: Any, *, positional: bool = False) -> None:
        producer = self._classes.AIOKafkaProducer(bootstrap_servers=self._bootstrap)
        await producer.start()
        try:
            if positional:
                await (await producer.send(topic, value, None, 0, None, headers))
            else:
                await producer.send_and_wait(topic, value, partition=0, headers=headers)
        finally:
            await producer.stop()

    def headers(self, record: Any) -> Any:
        return list(record.headers)

    def value(self, record: Any) -> bytes | None:
        value: bytes | None = record.value
        return value

    async def close(self, consumer: Any) -> None:
        await consumer.stop()


class KafkaPython:
    """kafka-python."""

    _VERSION = (2, 0)  # what the embedded broker speaks

    def __init__(self, bootstrap: str, ours: bool) -> None:
        import kafka

        self._bootstrap = bootstrap
        self._library = kafka
        self._classes: Any = kafka
        if ours:
            from unbroken.clients import kafka_python as drop_in

            self._classes = drop_in

    async def consumer(self, topic: str) -> Any:
        consumer = self._classes.KafkaConsumer(
            bootstrap_servers=self._bootstrap, api_version=self._VERSION, consumer_timeout_ms=2000
        )
        partition = self._library.TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        return consumer

    async def one(self, consumer: Any) -> Any:
        try:
            return next(consumer)
        except StopIteration:
            raise RuntimeError("no record came") from None

    async def idle(self, consumer: Any) -> None:
        next(consumer, None)

    async def many(self, consumer: Any, count: int) -> list[Any]:
        found = consumer.poll(timeout_ms=int(FIRST_RECORD * 1000), max_records=count)
        return [record for records in found.values() for record in records]

    async def send(self, topic: str, value: bytes, headers: Any, *, positional: bool = False) -> None:
        producer = self._classes.KafkaProducer(bootstrap_servers=self._bootstrap, api_version=self._VERSION)
        if positional:
            producer.send(topic, value, None, headers, 0)
        else:
            producer.send(topic, value, headers=headers, partition=0)
        producer.flush()
        producer.close()

    def headers(self, record: Any) -> Any:
        return record.headers

    def value(self, record: Any) -> bytes | None:
        value: bytes | None = record.value
        return value

    async def close(self, consumer: Any) -> None:
        consumer.close()


CLIENTS: dict[str, type[ConfluentKafka] | type[AIOKafka] | type[KafkaPython]] = {
    "confluent-kafka": ConfluentKafka,
    "aiokafka": AIOKafka,
    "kafka-python": KafkaPython,
}
