"""The same with stock code: the span has the right parent, but it is not current when the next message is sent."""

import json
from typing import Any

from confluent_kafka import Consumer, Producer
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind

from interop.python import service

tracer = trace.get_tracer("pricing")


def main() -> None:
    """Serve until nobody wants it."""
    service.start("pricing")
    producer = Producer({"bootstrap.servers": service.KAFKA})
    consumer = Consumer({"bootstrap.servers": service.KAFKA, "group.id": "pricing", "auto.offset.reset": "earliest"})
    consumer.subscribe([service.ORDERS])
    service.ready()
    while service.is_wanted():
        messages: list[Any] = consumer.consume(10, timeout=0.5)
        for message in messages:
            order = json.loads(message.value())
            carrier = {key: value.decode() for key, value in message.headers() or ()}
            span = tracer.start_span(
                "process orders", propagate.extract(carrier), SpanKind.CONSUMER, {"order.id": order["id"]}
            )
            service.tell(order["id"], span)
            send(producer, {**order, "price": 42})
            span.end()
        producer.flush(10)
    consumer.close()


def send(producer: Producer, order: dict[str, Any]) -> None:
    """Send a priced order."""
    with tracer.start_as_current_span("send priced", None, SpanKind.PRODUCER, {"order.id": order["id"]}) as span:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        headers: Any = [(key, value.encode()) for key, value in carrier.items()]
        producer.produce(service.PRICED, json.dumps(order), order["id"], headers=headers)
        service.tell(order["id"], span)


if __name__ == "__main__":
    main()
