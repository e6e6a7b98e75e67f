"""A producing and a consuming loop with the drop-in classes of aiokafka, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

import aiokafka
from aiokafka.errors import KafkaError
from opentelemetry import trace

from tests.faults.events import (
    Acknowledged,
    Finished,
    Processed,
    Ready,
    Trouble,
    current_trace,
    emit,
    is_clean,
    tell_spans,
    told_to_stop,
)
from unbroken.clients.aiokafka import AIOKafkaConsumer, AIOKafkaProducer

PACE = 0.005
IN_FLIGHT = 100


async def produce(bootstrap: str, topic: str) -> None:
    """Send records whose values are the traces they are sent in, and tell which the broker has."""
    stop, tracer = told_to_stop(), trace.get_tracer(__name__)
    sends, clean = 0, True
    pending: set[asyncio.Task[None]] = set()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        while not stop.is_set():
            await asyncio.sleep(PACE)
            with tracer.start_as_current_span("order"):
                pending.add(asyncio.create_task(_send(producer, topic, f"{sends}")))
            sends += 1
            clean = clean and is_clean()
            if len(pending) >= IN_FLIGHT:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            pending = {task for task in pending if not task.done()}
        await asyncio.gather(*pending)
    emit(Finished(sends, clean and is_clean()))


async def _send(producer: Any, topic: str, key: str) -> None:
    try:
        await producer.send_and_wait(topic, current_trace().encode(), key.encode())
    except KafkaError as error:
        emit(Trouble(repr(error)))
    else:
        emit(Acknowledged(key, current_trace()))


async def consume(bootstrap: str, topic: str) -> None:
    """Process records, committing each, and tell in which trace."""
    stop = told_to_stop()
    options = {"group_id": "faults", "auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, **options)
    consumer.subscribe([topic], listener=_Telling())
    async with consumer:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    with consumer.process(record):
                        await asyncio.sleep(0)
                        current = current_trace()
                    emit(Processed(record.key.decode(), record.value.decode(), current, is_clean()))
            try:
                await consumer.commit()
            except KafkaError as error:
                emit(Trouble(repr(error)))
    emit(Finished(0, is_clean()))


class _Telling(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc]  # a class without types
    def on_partitions_revoked(self, revoked: object) -> None:
        """Nothing."""

    def on_partitions_assigned(self, assigned: object) -> None:
        emit(Ready())


class _Complaints(logging.Handler):
    """What the client has to say about the broker; it has no callback for it."""

    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread() is threading.main_thread():
            emit(Trouble(record.getMessage()))


if __name__ == "__main__":
    tell_spans()
    logging.getLogger("aiokafka").addHandler(_Complaints(logging.WARNING))
    asyncio.run({"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:]))
