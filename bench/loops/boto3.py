"""boto3 on SQS: receive and delete, send_message, send_message_batch; a call costs more than all that is done to it."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import boto3
from opentelemetry.trace import SpanKind

from bench import by_hand
from bench.contenders import BARE, HAND, OURS, UNSETTLED
from bench.filling import ENTRIES, PRODUCED, QUEUE, SQS_ACCESS
from bench.records import ATTRIBUTES, VALUE
from bench.timing import Laps

SLICES = 50
BODY = VALUE.decode()
ASKED = list(ATTRIBUTES)
CONTEXT = ["traceparent", "tracestate", "baggage"]

Run = Callable[[Any, str, Laps], None]


def receive(client: Any, url: str, laps: Laps) -> None:
    """The loop that is instrumented from outside, or not at all."""
    while True:
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=list(ASKED))
        for message in found["Messages"]:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


def receive_by_hand(client: Any, url: str, laps: Laps) -> None:
    """The loop with stock OpenTelemetry."""
    while True:
        found = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=[*ASKED, *CONTEXT]
        )
        for message in found["Messages"]:
            by_hand.process_attributes(QUEUE, message["MessageAttributes"])
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


def receive_unbroken(client: Any, url: str, laps: Laps) -> None:
    """The loop with unbroken."""
    from unbroken import process

    while True:
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=ENTRIES, MessageAttributeNames=list(ASKED))
        for message in found["Messages"]:
            with process(message):
                pass
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if laps.is_last():
                return


def send(client: Any, url: str, laps: Laps) -> None:
    """The loop that is instrumented from outside, or not at all."""
    for _ in range(laps.total):
        client.send_message(QueueUrl=url, MessageBody=BODY, MessageAttributes=dict(ATTRIBUTES))
        laps.is_last()


def send_by_hand(client: Any, url: str, laps: Laps) -> None:
    """The loop with a span and an injection of stock OpenTelemetry."""
    for _ in range(laps.total):
        with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
            attributes = by_hand.injected_attributes(ATTRIBUTES)
            client.send_message(QueueUrl=url, MessageBody=BODY, MessageAttributes=attributes)
        laps.is_last()


def send_batch(client: Any, url: str, laps: Laps) -> None:
    """Ten messages in a call, instrumented from outside or not at all."""
    numbers = iter(range(laps.total))
    while some := list(islice(numbers, ENTRIES)):
        entries = [{"Id": str(number), "MessageBody": BODY, "MessageAttributes": dict(ATTRIBUTES)} for number in some]
        client.send_message_batch(QueueUrl=url, Entries=entries)
        for _ in some:
            laps.is_last()


def send_batch_by_hand(client: Any, url: str, laps: Laps) -> None:
    """Ten messages in a call, each with a span and an injection of stock OpenTelemetry."""
    numbers = iter(range(laps.total))
    while some := list(islice(numbers, ENTRIES)):
        entries = []
        for number in some:
            with by_hand.TRACER.start_as_current_span(f"send {PRODUCED}", kind=SpanKind.PRODUCER):
                attributes = by_hand.injected_attributes(ATTRIBUTES)
                entries.append({"Id": str(number), "MessageBody": BODY, "MessageAttributes": attributes})
        client.send_message_batch(QueueUrl=url, Entries=entries)
        for _ in some:
            laps.is_last()


RUNS: dict[str, dict[str, Run]] = {
    "receive and delete": {
        BARE: receive,
        HAND: receive_by_hand,
        OURS: receive_unbroken,
        UNSETTLED: receive_unbroken,
    },
    "send_message": {BARE: send, HAND: send_by_hand},
    "send_message_batch": {BARE: send_batch, HAND: send_batch_by_hand},
}


def measure(loop: str, contender: str, condition: str, address: str, messages: int) -> float:  # noqa: ARG001
    """Return the microseconds per message in `loop`."""
    laps = Laps(messages, SLICES)
    client = boto3.client("sqs", endpoint_url=address, **SQS_ACCESS)
    if contender in (OURS, UNSETTLED):
        from unbroken.clients.boto3 import instrument

        instrument(client)
    url = client.get_queue_url(QueueName=PRODUCED if loop.startswith("send") else QUEUE)["QueueUrl"]
    RUNS[loop].get(contender, RUNS[loop][BARE])(client, url, laps)
    return laps.microseconds
