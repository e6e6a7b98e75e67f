"""aio-pika: connections whose channels, queues, exchanges and messages are traced, and the same of one that is made.

Each object is of a subclass of the class that the client would have taken.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import aio_pika

from unbroken.clients.aio_pika.methods import wrap_consume, wrap_get, wrap_publish
from unbroken.clients.rabbitmq.handling import is_real

T = TypeVar("T")
C = TypeVar("C", bound=aio_pika.abc.AbstractConnection)

_KINDS = (aio_pika.Connection, aio_pika.Channel, aio_pika.Queue, aio_pika.Exchange)
_traced_classes: dict[type, type] = {}
"""The traced subclass of each class, itself of one that is traced."""


def traced_class(kind: type) -> Any:
    """Return the traced subclass of a class of connections, channels, queues or exchanges; of one that is, itself."""
    known = _traced_classes.get(kind)
    if known is None:
        names = {"__doc__": kind.__doc__, "__module__": __name__, "__slots__": (), **_replaced_names(kind)}
        known = type(kind)(kind.__name__, (kind,), names)
        _traced_classes[kind] = _traced_classes[known] = known
    return known


def _is_traced(kind: Any) -> bool:
    return _traced_classes.get(kind) is kind


def _replaced_names(kind: Any) -> dict[str, Any]:
    """Return what a traced subclass has instead."""
    if issubclass(kind, aio_pika.Connection):
        return {"CHANNEL_CLASS": traced_class(kind.CHANNEL_CLASS)}
    if issubclass(kind, aio_pika.Channel):
        queue, exchange = traced_class(kind.QUEUE_CLASS), traced_class(kind.EXCHANGE_CLASS)
        return {"QUEUE_CLASS": queue, "EXCHANGE_CLASS": exchange}
    if issubclass(kind, aio_pika.Queue):
        return {"consume": wrap_consume(kind.consume), "get": wrap_get(kind.get)}
    return {"publish": wrap_publish(kind.publish)}


Queue = traced_class(aio_pika.Queue)
RobustQueue = traced_class(aio_pika.RobustQueue)
Exchange = traced_class(aio_pika.Exchange)
RobustExchange = traced_class(aio_pika.RobustExchange)
Channel = traced_class(aio_pika.Channel)
RobustChannel = traced_class(aio_pika.RobustChannel)


class Connection(aio_pika.Connection):
    """An `aio_pika.Connection` whose channels are traced."""

    CHANNEL_CLASS = Channel


class RobustConnection(aio_pika.RobustConnection):
    """An `aio_pika.RobustConnection` whose channels are traced."""

    CHANNEL_CLASS = RobustChannel


_traced_classes.update({kind: kind for kind in (Connection, RobustConnection)})


def instrument(traceable: T) -> T:
    """Return the connection or channel itself, traced from now on; twice is once.

    Args:
        traceable: a connection, each of whose channels from now on is traced; or a channel, each of whose queues and
            exchanges from now on is, and its default exchange. One queue or exchange is taken as well.

    Raises:
        TypeError: none of these.
    """
    if _is_double(traceable):
        return traceable
    _put_class(traceable, traced_class(traceable.__class__))
    if (exchange := getattr(traceable, "default_exchange", None)) is not None:
        _put_class(exchange, traced_class(exchange.__class__))
    return traceable


def uninstrument(traceable: T) -> T:
    """Return the connection or channel itself as it was before `instrument`; what it has made stays traced."""
    if _is_double(traceable):
        return traceable
    found: Any
    for found in (traceable, getattr(traceable, "default_exchange", None)):
        kind: Any = found.__class__
        if _is_traced(kind):
            _put_class(found, kind.__mro__[1])
    return traceable


def _is_double(traceable: Any) -> bool:
    """Return whether this is the double of a test, which only says that it is one of the client's.

    Raises:
        TypeError: it does not even say so.
    """
    if not isinstance(traceable, _KINDS):
        raise TypeError(f"instrument() takes a connection or a channel of aio-pika, not {type(traceable).__qualname__}")
    return not is_real(traceable, *_KINDS)


def _put_class(traceable: object, kind: Any) -> None:
    object.__setattr__(traceable, "__class__", kind)


@overload
async def connect(*args: Any, connection_class: type[C], **named: Any) -> C: ...


@overload
async def connect(*args: Any, **named: Any) -> Connection: ...


async def connect(*args: Any, connection_class: Any = Connection, **named: Any) -> Any:
    """Return a connection, as the client's function of the same name does."""
    return await aio_pika.connect(*args, connection_class=connection_class, **named)


@overload
async def connect_robust(*args: Any, connection_class: type[C], **named: Any) -> C: ...


@overload
async def connect_robust(*args: Any, **named: Any) -> RobustConnection: ...


async def connect_robust(*args: Any, connection_class: Any = RobustConnection, **named: Any) -> Any:
    """Return a robust connection, as the client's function of the same name does."""
    return await aio_pika.connect_robust(*args, connection_class=connection_class, **named)
