"""The order service: accepts orders and refunds and publishes them.

A real one has HTTP; here each line of the standard input is a request.
"""

import json
import sys

from kafka import KafkaProducer
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind

from unbroken.demo import telemetry
from unbroken.demo.bank import reserve
from unbroken.demo.settings import API_VERSION, BOOTSTRAP, ORDERS, REFUNDS

TOPICS = {"orders": ORDERS, "refunds": REFUNDS}

tracer = trace.get_tracer("order-service")


def accept(producer: KafkaProducer, path: str, order: dict[str, str]) -> None:
    with tracer.start_as_current_span(f"POST /{path}", kind=SpanKind.SERVER, attributes={"order.id": order["id"]}):
        reserve(order)
        publish(producer, TOPICS[path], order)


def publish(producer: KafkaProducer, topic: str, order: dict[str, str]) -> None:
    with tracer.start_as_current_span(f"send {topic}", kind=SpanKind.PRODUCER):
        carrier: dict[str, str] = {}
        inject(carrier)
        headers = [(name, value.encode()) for name, value in carrier.items()]
        producer.send(topic, json.dumps(order).encode(), headers=headers)


def main() -> None:
    telemetry.start("order-service")
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, api_version=API_VERSION)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        accept(producer, request["path"], request["order"])
    producer.flush()


if __name__ == "__main__":
    main()
