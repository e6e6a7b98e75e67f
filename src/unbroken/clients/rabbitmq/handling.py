"""What a callback, or a method, is given: a message of the client, or something else that is handed on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from unbroken.clients.rabbitmq.settling import NO_BLOCK
from unbroken.errors import UnknownMessage
from unbroken.messaging.process import process


def is_real(value: object, *classes: type) -> bool:
    """Return whether a value is of one of the classes; the double of a test only says that it is."""
    return issubclass(type(value), classes)


def process_if_known(message: object) -> AbstractContextManager[Any]:
    """Return `process(message)`; of what is no message that we know, a block that does nothing.

    A callback runs whatever it is given: the double of a test, the message of another library.
    """
    try:
        return process(message)
    except UnknownMessage:
        return NO_BLOCK
