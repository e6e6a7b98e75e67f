"""Queues of SQS: their names, and what a URL, an ARN or a client tells about them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from unbroken.messaging import semconv
from unbroken.messaging.semconv import Attributes

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, as far as it is known: its name and its URL, both empty where they are not.

    Attributes:
        name: the destination.
        url: for `aws.sqs.queue.url`.
        attributes: what it puts on the spans; never changed.
    """

    name: str = ""
    url: str = ""
    attributes: Attributes = field(default_factory=dict[str, Any])


UNKNOWN = Queue()
"""The queue of a message that does not say where it comes from."""


@functools.lru_cache(maxsize=1024)
def queue_at(url: str, endpoint: str = "") -> Queue:
    """Return the queue of a URL or an ARN.

    >>> queue_at("https://sqs.eu-west-1.amazonaws.com/123456789012/orders").name
    'orders'
    >>> queue_at("arn:aws:sqs:eu-west-1:123456789012:orders").attributes
    {'messaging.destination.name': 'orders'}

    Args:
        url: of the queue.
        endpoint: the URL that a client talks to, where it is known; else the queue's own says the server.
    """
    is_arn = url.startswith("arn:")
    name = url.rpartition(":")[2] if is_arn else url.rstrip("/").rpartition("/")[2]
    attributes: Attributes = {semconv.DESTINATION: name} if name else {}
    if not is_arn and "/" in url:
        attributes[semconv.SQS_QUEUE_URL] = url
    return Queue(name, "" if is_arn else url, {**attributes, **server_at(endpoint or url)})


def server_at(url: str) -> Attributes:
    """Return address and port of the server in a URL; nothing where it names none.

    >>> server_at("https://sqs.eu-west-1.amazonaws.com")
    {'server.address': 'sqs.eu-west-1.amazonaws.com', 'server.port': 443}
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:  # a port that is no number, half an IPv6 address
        return {}
    if not parts.hostname or port is None:
        return {}
    return {semconv.SERVER_ADDRESS: parts.hostname, semconv.SERVER_PORT: port}


def source_of(destination: str, message_id: object) -> str:
    """Return what finds a message again: its destination and its id, as far as they are known."""
    return f"{destination}/{message_id}" if isinstance(message_id, str) else destination


def queue_attributes(queue: Any) -> Attributes:
    """Return what the second argument of `process` tells: a queue's URL or ARN, a `Queue` resource, or a client."""
    if isinstance(queue, str):
        return queue_at(queue).attributes
    if isinstance(queue, Mapping):
        return dict(cast("Mapping[str, Any]", queue))
    if isinstance(url := getattr(queue, "url", None), str):
        return queue_at(url).attributes
    endpoint = getattr(getattr(queue, "meta", None), "endpoint_url", None)
    return server_at(endpoint) if isinstance(endpoint, str) else {}
