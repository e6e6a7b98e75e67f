"""Keeps what was paid back: SQS `archive`, with boto3."""

import json

import boto3

from interop.python import service
from unbroken import process
from unbroken.clients.boto3 import instrument


def main() -> None:
    """Serve until nobody wants it."""
    service.start("archive")
    sqs = instrument(boto3.client("sqs", endpoint_url=service.SQS))
    archive = sqs.create_queue(QueueName=service.ARCHIVE)["QueueUrl"]
    service.ready()
    while service.is_wanted():
        for message in sqs.receive_message(QueueUrl=archive, WaitTimeSeconds=1).get("Messages", ()):
            with process(message):
                sqs.delete_message(QueueUrl=archive, ReceiptHandle=message["ReceiptHandle"])
                service.tell(json.loads(message["Body"])["id"])


if __name__ == "__main__":
    main()
