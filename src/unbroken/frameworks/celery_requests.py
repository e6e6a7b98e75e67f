"""What is known of a task: the broker that it goes by, where it goes, and how the request of a worker is read."""

# Celery has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from typing import Any

from celery import current_task
from celery.app.task import Context as Request

from unbroken.clients.rabbitmq.attributes import process_attributes, published_to, server_attributes
from unbroken.messaging import semconv
from unbroken.messaging.message import MessageType, register
from unbroken.messaging.semconv import Attributes
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.context import inject

TASK_NAME = "celery.task_name"

_SYSTEMS = {"amqp": "rabbitmq", "sqs": "aws_sqs", "azureservicebus": "servicebus", "gcpubsub": "gcp_pubsub"}
"""`messaging.system` by kombu's name of the protocol; others keep kombu's name (redis)."""
_WITHOUT_BROKER = "celery"
"""`messaging.system` of a request that no app executes."""

_DELAY = re.compile(r"(?:[01]\.){28}")
"""What kombu writes before a routing key for a delay in quorum queues: the seconds in binary, a digit per exchange."""

_brokers: weakref.WeakKeyDictionary[Any, dict[str, Attributes]] = weakref.WeakKeyDictionary()


def publishing_broker(app: Any) -> Attributes:
    """Return the attributes of the broker that an app publishes to."""
    return _broker(app, "connection_for_write")


def consuming_broker(app: Any) -> Attributes:
    """Return the attributes of the broker that the workers of an app consume from."""
    return _broker(app, "connection_for_read")


def forget_broker(app: Any) -> None:
    """Ask anew for the brokers of an app, the next time."""
    _brokers.pop(app, None)


def _broker(app: Any, connect: str) -> Attributes:
    """Return the attributes of a broker, without connecting to it."""
    brokers = _brokers.setdefault(app, {})
    known = brokers.get(connect)
    if known is None:
        connection = getattr(app, connect)()
        transport = connection.get_transport_cls()
        protocol = transport.driver_type
        known = {semconv.SYSTEM: _SYSTEMS.get(protocol, protocol)}
        host, port = connection.hostname, connection.port or transport.default_port
        # Several name a cluster; a broker in memory or in files has a host all the same, and no port.
        if protocol in ("amqp", "redis") and host and port and len(connection.alt) < 2:
            known.update(server_attributes(host, int(port)))
        brokers[connect] = known
    return known


def destination_of(app: Any, system: str, exchange: Any, routing_key: Any) -> str:
    """Return where a task is published to; of one that is delayed in quorum queues, where it is to arrive."""
    destination = _destination(system, exchange, routing_key)
    if system == "aws_sqs":
        return f"{app.conf.broker_transport_options.get('queue_name_prefix', '')}{destination}"
    return destination


def _destination(system: str, exchange: Any, routing_key: Any) -> str:
    if isinstance(routing_key, str) and "celery_delayed_" in str(exchange) and (delay := _DELAY.match(routing_key)):
        exchange, routing_key = "", routing_key[delay.end() :]
    if system == "rabbitmq":
        return published_to(exchange, routing_key)
    return str(routing_key or exchange or "")  # kombu's own exchanges: the queue has the name of the key


def executing_app(request: Any) -> Any:
    """Return the app that executes a request just now, None for any other request."""
    return current_task.app if current_task and current_task.request is request else None


def _system(request: Any) -> str:
    app = executing_app(request)
    if app is None:
        return _WITHOUT_BROKER
    system: str = consuming_broker(app)[semconv.SYSTEM]
    return system


def _name(request: Any) -> str:
    """Return the destination; of SQS the queue that the message was taken from, which may be a dead-letter queue."""
    if sqs := _sqs_delivery(request):
        return str(sqs["sqs_queue"]).rpartition("/")[2]
    delivery = mapping(request.delivery_info)
    exchange, routing_key = delivery.get("exchange"), delivery.get("routing_key")
    if request.is_eager and not routing_key and (app := executing_app(request)) is not None:
        return str(app.conf.task_default_queue)
    return _destination(_system(request), exchange, routing_key)


def _headers(request: Any) -> Mapping[Any, Any]:
    """Return the headers of the task: of an eager one, which nobody has published, the context of its caller."""
    given = mapping(request.headers)
    if request.is_eager and not is_published(request):
        carried: Mapping[Any, Any] = inject(given)
        return carried
    return _message_headers(request)


def _message_headers(request: Any) -> dict[Any, Any]:
    """Return the headers of the message; Celery makes each an attribute of the request."""
    return {**vars(request), **mapping(request.headers)}


def is_published(request: Any) -> bool:
    """Return whether an eager task stands for one that is published: what `task_always_eager` is for."""
    app = executing_app(request)
    return app is not None and bool(app.conf.task_always_eager)


def _attributes(request: Any) -> Attributes:
    system, delivery, sqs = _system(request), mapping(request.delivery_info), _sqs_delivery(request)
    attributes: Attributes
    if system == "rabbitmq":
        key, redelivered = delivery.get("routing_key"), delivery.get("redelivered")
        headers = _message_headers(request)
        attributes = process_attributes(_name(request), key, None, redelivered, headers, request.id, None)
    else:
        attributes = {
            semconv.SYSTEM: system,
            semconv.OPERATION_NAME: "process",
            semconv.OPERATION_TYPE: "process",
            semconv.DESTINATION: _name(request),
        }
        if request.id:
            attributes[semconv.MESSAGE_ID] = str(request.id)
        if delivery.get("redelivered"):
            attributes[semconv.REDELIVERED] = True
    if isinstance(request.retries, int):
        attributes[semconv.ATTEMPT] = request.retries + 1
    if sqs:
        attributes[semconv.SQS_QUEUE_URL] = sqs["sqs_queue"]
        count = mapping(mapping(sqs.get("sqs_message")).get("Attributes")).get("ApproximateReceiveCount")
        if count is not None:
            attributes[semconv.RECEIVE_COUNT] = int(count)
    return attributes


def _sqs_delivery(request: Any) -> Mapping[str, Any]:
    """Return what kombu tells of a message of SQS: `sqs_queue`, the URL, and `sqs_message`; nothing for others."""
    found = mapping(mapping(request.properties).get("delivery_info"))
    return found if "sqs_queue" in found else {}


def mapping(value: object) -> Mapping[str, Any]:
    """Return a value that is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


register(
    Request,
    MessageType(
        system=_WITHOUT_BROKER,
        carrier=MAPPING,
        headers=_headers,
        destination=_name,
        attributes=_attributes,
        per_message_attributes=(semconv.MESSAGE_ID, semconv.ATTEMPT, semconv.REDELIVERED),
        source=lambda request: f"{_name(request)}/{request.id}",
        receiving="consume",
    ),
)
