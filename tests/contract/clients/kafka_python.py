"""kafka-python."""

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kafka

from tests.contract.clients.driver import HEARTBEAT_MS, MAX_BYTES, PATIENCE, KafkaClient, Pairs, Reader
from unbroken.clients import kafka_python as our_kafka


class KafkaPythonReader(Reader):
    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer

    def some(self, limit: int) -> list[Any]:
        found = self.consumer.poll(timeout_ms=500, max_records=limit)
        return [message for messages in found.values() for message in messages]


class KafkaPython(KafkaClient):
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

    def pairs(self, message: Any) -> Pairs:
        return list(message.headers)

    def position(self, message: Any) -> tuple[int, int]:
        return message.partition, message.offset
