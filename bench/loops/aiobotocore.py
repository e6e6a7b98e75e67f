"""aiobotocore on SQS: receive and delete, send_message."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiobotocore.session import get_session
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, HAND, OURS, UNSETTLED
from bench.filling import ENTRIES, PRODUCED, QUEUE, SQS_ACCESS
from bench.loops.boto3 import ASKED, BODY, CONTEXT, SLICES
from bench.records import ATTRIBUTES
from bench.timing import Laps

Run = Callable[[Any, str, Laps], Awaitable[None]]


async def receive(client: Any, url: str, laps: Laps) -> None:
    """The loop that is instrumented from outside, or not at all."""
    while True:
        found = await client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=list(ASKED)
        )
        for message in found["Messages"]:
            await client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


async def receive_by_hand(client: Any, url: str, laps: Laps) -> None:
    """The loop with stock OpenTelemetry."""
    while True:
        found = await client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=[*ASKED, *CONTEXT]
        )
        for message in found["Messages"]:
            by_hand.process_attributes(QUEUE, message["MessageAttributes"])
            await client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


async def receive_unbroken(client: Any, url: str, laps: Laps) -> None:
    """The loop with unbroken."""
    from unbroken import process

    while True:
        found = await client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=list(ASKED)
        )
        for message in found["Messages"]:
            with process(message):
                pass
            await client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


async def send(client: Any, url: str, laps: Laps) -> None:
    """The loop that is instrumented from outside, or not at all."""
    for _ in range(laps.total):
        await client.send_message(QueueUrl=url, MessageBody=BODY, MessageAttributes=dict(ATTRIBUTES))
        laps.is_last()


async def send_by_hand(client: Any, url: str, laps: Laps) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(laps.total):
        with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
            attributes = by_hand.injected_attributes(ATTRIBUTES)
            await client.send_message(QueueUrl=url, MessageBody=BODY, MessageAttributes=attributes)
        laps.is_last()


RUNS: dict[str, dict[str, Run]] = {
    "receive and delete": {
        BARE: receive,
        HAND: receive_by_hand,
        OURS: receive_unbroken,
        UNSETTLED: receive_unbroken,
    },
    "send_message": {BARE: send, HAND: send_by_hand},
}


def measure(loop: str, contender: str, condition: str, address: str, messages: int) -> float:  # noqa: ARG001
    """Return the microseconds per message in `loop`."""
    return asyncio.run(_measure(loop, contender, address, messages))


async def _measure(loop: str, contender: str, address: str, messages: int) -> float:
    laps = Laps(messages, SLICES)
    async with get_session().create_client("sqs", endpoint_url=address, **SQS_ACCESS) as client:
        if contender in (OURS, UNSETTLED):
            from unbroken.clients.aiobotocore import instrument

            instrument(client)
        queue = PRODUCED if loop.startswith("send") else QUEUE
        url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
        await RUNS[loop].get(contender, RUNS[loop][BARE])(client, url, laps)
    return laps.microseconds
