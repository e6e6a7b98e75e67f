"""The same with stock code: a current span, sent on in the attributes of the message; what came had no context."""

import json

import boto3
import pika
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from interop.python import service

tracer = trace.get_tracer("refunds")


def main() -> None:
    """Serve until nobody wants it."""
    service.start("refunds")
    sqs = boto3.client("sqs", endpoint_url=service.SQS)
    archive = sqs.create_queue(QueueName=service.ARCHIVE)["QueueUrl"]
    connection = pika.BlockingConnection(pika.URLParameters(service.AMQP))
    channel = connection.channel()
    channel.queue_declare(service.REFUNDS, durable=True)
    service.ready()
    for method, properties, body in channel.consume(service.REFUNDS, inactivity_timeout=0.5):
        if method is not None:
            order = json.loads(body)
            context = propagate.extract(properties.headers or {})
            told = {"order.id": order["id"]}
            with tracer.start_as_current_span("process refunds", context, SpanKind.CONSUMER, told):
                carrier: dict[str, str] = {}
                propagate.inject(carrier)
                attributes = {key: {"DataType": "String", "StringValue": value} for key, value in carrier.items()}
                sqs.send_message(QueueUrl=archive, MessageBody=json.dumps(order), MessageAttributes=attributes)
                channel.basic_ack(method.delivery_tag)
                service.tell(order["id"])
        if not service.is_wanted():
            break
    channel.cancel()
    connection.close()


if __name__ == "__main__":
    main()
