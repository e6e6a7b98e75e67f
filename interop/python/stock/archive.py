"""The same with stock code: it reads the attributes of the message, but the poll did not ask for them."""

import json

import boto3
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from interop.python import service

tracer = trace.get_tracer("archive")


def main() -> None:
    """Serve until nobody wants it."""
    service.start("archive")
    sqs = boto3.client("sqs", endpoint_url=service.SQS)
    archive = sqs.create_queue(QueueName=service.ARCHIVE)["QueueUrl"]
    service.ready()
    while service.is_wanted():
        for message in sqs.receive_message(QueueUrl=archive, WaitTimeSeconds=1).get("Messages", ()):
            found = message.get("MessageAttributes", {})
            context = propagate.extract({key: each["StringValue"] for key, each in found.items()})
            order = json.loads(message["Body"])
            told = {"order.id": order["id"]}
            with tracer.start_as_current_span("process archive", context, SpanKind.CONSUMER, told):
                sqs.delete_message(QueueUrl=archive, ReceiptHandle=message["ReceiptHandle"])
                service.tell(order["id"])


if __name__ == "__main__":
    main()
