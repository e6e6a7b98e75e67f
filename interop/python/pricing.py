"""Puts a price on each order: Kafka `orders` in batches → Kafka `priced`, with confluent-kafka."""

import json
from typing import Any

from interop.python import service
from unbroken.clients.confluent_kafka import Consumer, Producer


def main() -> None:
    """Serve until nobody wants it."""
    service.start("pricing")
    producer = Producer({"bootstrap.servers": service.KAFKA})
    consumer = Consumer({"bootstrap.servers": service.KAFKA, "group.id": "pricing", "auto.offset.reset": "earliest"})
    consumer.subscribe([service.ORDERS])
    service.ready()
    while service.is_wanted():
        messages: list[Any] = consumer.consume(10, timeout=0.5)
        with consumer.receive(messages):
            for message in messages:
                with consumer.process(message):
                    order = json.loads(message.value())
                    producer.produce(service.PRICED, json.dumps({**order, "price": 42}), message.key())
                    service.tell(order["id"])
        producer.flush(10)
    consumer.close()


if __name__ == "__main__":
    main()
