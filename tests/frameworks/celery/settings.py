"""What the workers and the tests that publish to them agree on."""

from __future__ import annotations

from celery import Celery
from kombu.entity import Exchange, Queue


def configure(app: Celery, broker: str, queue: str) -> None:
    """Point an app to a RabbitMQ (`amqp://`) or an SQS (`http://`), where `queue` has a dead-letter queue beside it."""
    dead = f"{queue}-dead"
    app.conf.update(task_default_queue=queue, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
    if broker.startswith("amqp"):
        app.conf.broker_url = broker
        letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        exchange = Exchange("", type="direct")
        app.conf.task_queues = [
            Queue(queue, exchange, routing_key=queue, queue_arguments=letters),
            Queue(dead, exchange, routing_key=dead),
        ]
        return
    app.conf.broker_url = f"sqs://key:secret@{broker.rpartition('/')[2]}"
    app.conf.broker_transport_options = {
        "region": "us-east-1",
        "is_secure": False,
        "polling_interval": 0.1,
        "wait_time_seconds": 1,
    }
    app.conf.task_queues = [Queue(queue), Queue(dead)]
    app.conf.worker_enable_remote_control = False
