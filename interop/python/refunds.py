"""Pays back: RabbitMQ `refunds` → SQS `archive`, with pika and boto3."""

import json

import boto3
import pika

from interop.python import service
from unbroken.clients import boto3 as traced_boto3
from unbroken.clients import pika as traced_pika


def main() -> None:
    """Serve until nobody wants it."""
    service.start("refunds")
    sqs = traced_boto3.instrument(boto3.client("sqs", endpoint_url=service.SQS))
    archive = sqs.create_queue(QueueName=service.ARCHIVE)["QueueUrl"]
    connection = pika.BlockingConnection(pika.URLParameters(service.AMQP))
    channel = traced_pika.instrument(connection.channel())
    channel.queue_declare(service.REFUNDS, durable=True)
    service.ready()
    for method, _, body in channel.consume(service.REFUNDS, inactivity_timeout=0.5):
        if method is not None:
            order = json.loads(body)
            sqs.send_message(QueueUrl=archive, MessageBody=json.dumps(order))
            channel.basic_ack(method.delivery_tag)
            service.tell(order["id"])
        if not service.is_wanted():
            break
    channel.cancel()
    connection.close()


if __name__ == "__main__":
    main()
