"""Fills a queue before a loop reads it, in a process that nothing instruments.

`python -m bench.filling SERVER ADDRESS CONDITION COUNT` puts messages into the queue `bench` and ends.
"""

import subprocess
import sys
from collections.abc import Callable
from itertools import islice

from bench.environments import ROOT, interpreter, variables
from bench.records import VALUE, mappings

QUEUE, PRODUCED = "bench", "produced"
"""The queue that is read, and the one that is written to."""

SQS_ACCESS = {"region_name": "elasticmq", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
ENTRIES = 10
"""The most that SQS takes in one call."""


def fill(server: str, address: str, condition: str, count: int) -> None:
    """Let the queue hold exactly so many messages."""
    command = [str(interpreter("opentelemetry")), "-m", "bench.filling", server, address, condition, str(count)]
    subprocess.run(command, cwd=ROOT, env=variables(), check=True)


def rabbitmq(address: str, condition: str, count: int) -> None:
    """Fill the queue of RabbitMQ, and empty the other, which keeps only its newest messages."""
    import pika

    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True)
        channel.queue_declare(PRODUCED, durable=True, arguments={"x-max-length": 1})
        channel.queue_purge(QUEUE)
        for headers in mappings(condition, count):
            properties = pika.BasicProperties(content_type="text/plain", headers=headers)
            channel.basic_publish("", QUEUE, VALUE, properties)


def elasticmq(address: str, condition: str, count: int) -> None:
    """Fill the queue of SQS; both queues are new, since SQS forgets no message that is being processed."""
    import boto3

    client = boto3.client("sqs", endpoint_url=address, **SQS_ACCESS)
    for url in client.list_queues().get("QueueUrls", []):
        client.delete_queue(QueueUrl=url)
    client.create_queue(QueueName=PRODUCED)
    url = client.create_queue(QueueName=QUEUE)["QueueUrl"]
    headers = mappings(condition, count)
    while some := list(islice(headers, ENTRIES)):
        entries = [
            {"Id": str(number), "MessageBody": VALUE.decode(), "MessageAttributes": attributes(each)}
            for number, each in enumerate(some)
        ]
        client.send_message_batch(QueueUrl=url, Entries=entries)


def attributes(headers: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return headers as attributes of SQS."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in headers.items()}


SERVERS: dict[str, Callable[[str, str, int], None]] = {"rabbitmq": rabbitmq, "elasticmq": elasticmq}


def main(argv: list[str]) -> int:
    """Fill what `argv` says."""
    server, address, condition, count = argv
    SERVERS[server](address, condition, int(count))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
