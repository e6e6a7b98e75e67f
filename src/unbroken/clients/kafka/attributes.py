"""The facts about Kafka records and clients that go on spans. None of them is ever None, or the text of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from unbroken.messaging import semconv
from unbroken.messaging.policy import active_policy
from unbroken.messaging.semconv import Attributes

PER_MESSAGE = (semconv.PARTITION, semconv.KAFKA_OFFSET, semconv.KAFKA_KEY, semconv.KAFKA_TOMBSTONE)
"""What differs between the records of a batch."""


class HasClientAttributes:
    """A client that knows its id, group and server from its configuration."""

    unbroken_attributes: Attributes = {}  # noqa: RUF012 - replaced by each instance, never changed
    """The attributes that it puts on the spans of its messages."""


def known_attributes(client: object) -> Attributes:
    """Return what a drop-in class knows; the client's own class tells nothing without asking the broker."""
    return client.unbroken_attributes if isinstance(client, HasClientAttributes) else {}


def process_attributes(
    topic: str, partition: int | None, offset: int | None, key: object, tombstone: bool
) -> Attributes:
    """Return the attributes of the process span of one record; the key only when the policy in force says so."""
    attributes: Attributes = {
        semconv.SYSTEM: "kafka",
        semconv.OPERATION_NAME: "process",
        semconv.OPERATION_TYPE: "process",
        semconv.DESTINATION: topic,
    }
    _put_place(attributes, partition, offset)
    _put_key(attributes, key, tombstone)
    return attributes


def send_attributes(
    topic: str, partition: int | None, key: object, tombstone: bool, client: Attributes | None = None
) -> Attributes:
    """Return the attributes of the send span of one record; the partition only when the application chose it.

    Args:
        topic: where it goes.
        partition: None, or less than zero, when the client chooses.
        key: on the span as on that of `process_attributes`.
        tombstone: whether the value is null.
        client: what `client_attributes` returned for the producer.
    """
    attributes: Attributes = {
        semconv.SYSTEM: "kafka",
        semconv.OPERATION_NAME: "send",
        semconv.OPERATION_TYPE: "send",
        semconv.DESTINATION: topic,
        **(client or {}),
    }
    _put_place(attributes, partition)
    _put_key(attributes, key, tombstone)
    return attributes


def placed_attributes(partition: int | None, offset: int | None) -> Attributes:
    """Return where the broker has put a record; without acknowledgement (`acks=0`) it tells no offset."""
    attributes: Attributes = {}
    _put_place(attributes, partition, offset)
    return attributes


def client_attributes(client_id: object, group: object, bootstrap: str | Sequence[str] | None) -> Attributes:
    """Return the attributes of a client: its id, its consumer group, and its server, when there is only one.

    Args:
        client_id: not on the span when empty.
        group: not on the span when empty.
        bootstrap: `host:port`, several with commas or in a list; several name a cluster, not a server.
    """
    attributes: Attributes = {}
    if client_id:
        attributes[semconv.CLIENT_ID] = str(client_id)
    if group:
        attributes[semconv.GROUP] = str(group)
    servers = bootstrap.split(",") if isinstance(bootstrap, str) else bootstrap or ()
    if len(servers) == 1:
        host, _, port = servers[0].rpartition("://")[2].rpartition(":")
        if port.isdecimal():
            attributes[semconv.SERVER_ADDRESS] = host.strip("[] ")
            attributes[semconv.SERVER_PORT] = int(port)
    return attributes


def _put_place(attributes: Attributes, partition: int | None, offset: int | None = None) -> None:
    """Add the partition and the offset, as far as they are known."""
    if isinstance(partition, int) and partition >= 0:
        attributes[semconv.PARTITION] = f"{partition}"
    if isinstance(offset, int) and offset >= 0:
        attributes[semconv.KAFKA_OFFSET] = offset


def _put_key(attributes: Attributes, key: object, tombstone: bool) -> None:
    """Add the key, when the policy in force says so, and whether the record is a tombstone.

    A key that is neither text nor UTF-8 has no string form and is left out.
    """
    if key is not None and active_policy().message_key:
        try:
            attributes[semconv.KAFKA_KEY] = key.decode() if type(key) is bytes else _text(key)
        except ValueError:
            pass
    if tombstone:
        attributes[semconv.KAFKA_TOMBSTONE] = True


def _text(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (bytes, bytearray)):
        return key.decode()
    if isinstance(key, (int, float, UUID)):
        return str(key)
    raise ValueError("no string form")
