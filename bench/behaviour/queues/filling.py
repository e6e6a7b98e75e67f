"""Makes and fills the queues of all cells, in a process that nothing instruments."""

import json
import sys
from typing import Any

from bench.behaviour.queues import records
from bench.behaviour.queues.records import DEAD, OUT, REDRIVEN, SECOND
from bench.behaviour.records import Record
from bench.filling import SQS_ACCESS

Attributes = dict[str, dict[str, Any]]


def rabbitmq(address: str, queues: dict[str, str]) -> None:
    """Make the queues of each cell, whose rejected messages go to one of their own."""
    import pika

    with pika.BlockingConnection(pika.URLParameters(address)) as connection:
        channel = connection.channel()
        for name, scenario in queues.items():
            dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + DEAD}
            channel.queue_declare(name, durable=True, arguments=dead)
            for suffix in (SECOND, OUT, DEAD):
                channel.queue_declare(name + suffix, durable=True)
            for queue in (name, name + SECOND):
                for record in records.of(scenario):
                    headers = {key: _table_value(value) for key, value in record.headers}
                    channel.basic_publish("", queue, record.value or b"", pika.BasicProperties(headers=headers))


def elasticmq(address: str, queues: dict[str, str]) -> None:
    """Make the queues of each cell; one that is to lose its messages gives them up after the first try."""
    import boto3

    client = boto3.client("sqs", endpoint_url=address, **SQS_ACCESS)
    for name, scenario in queues.items():
        for suffix in (SECOND, OUT):
            client.create_queue(QueueName=name + suffix)
        dead = client.create_queue(QueueName=name + DEAD)["QueueUrl"]
        redrive = {}
        if scenario in REDRIVEN:
            arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            redrive["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
        client.create_queue(QueueName=name, Attributes=redrive)
        for queue in (name, name + SECOND):
            url = client.get_queue_url(QueueName=queue)["QueueUrl"]
            for record in records.of(scenario):
                body = (record.value or b"none").decode()
                client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=_attributes(record))


def _attributes(record: Record) -> Attributes:
    return {name: _attribute(value) for name, value in record.headers}


def _attribute(value: str | bytes | None) -> dict[str, Any]:
    text = _table_value(value)
    if isinstance(text, str):
        return {"DataType": "String", "StringValue": text}
    return {"DataType": "Binary", "BinaryValue": text}


def _table_value(value: str | bytes | None) -> str | bytes | None:
    """Return octets as text where they are text, as an application gives them."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


SERVERS = {"rabbitmq": rabbitmq, "elasticmq": elasticmq}


def main() -> int:
    """Make and fill what standard input says: the scenario of each queue, by its name."""
    wanted = json.loads(sys.stdin.read())
    SERVERS[wanted["server"]](wanted["address"], wanted["queues"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
