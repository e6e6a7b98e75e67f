"""aio-pika: how its messages are read, and connections whose queues and exchanges are traced.

    from unbroken.clients.aio_pika import connect_robust

    connection = await connect_robust("amqp://guest:guest@localhost/")

`connect`, `connect_robust`, `Connection` and `RobustConnection` are those of the client with classes of ours beneath:
each channel, queue, exchange and message is of a subclass of the client's class of the same name. `instrument` makes
the same of a connection, or a channel, that was made by the plain client.

- `exchange.publish` carries the current context in the headers of a copy of the message and makes one PRODUCER span,
  which ends with the publisher confirm: with the error if the broker refuses the message or gives it back.
- The callback of `queue.consume` runs in `process`.
- `async with message.process()` is `process` too, around the client's acknowledgement; in a callback it is the same
  block. An iterator (`async for message in queue`) makes nothing current by itself: a context attached in one step of
  an asynchronous iterator would stay after a `break`.
- `message.ack`, `nack` and `reject`: one span, child of the process span.
"""

from unbroken.errors import required

with required("aio-pika", "aio_pika", "aiormq"):
    from unbroken.clients.aio_pika.dropins import (
        Connection,
        RobustConnection,
        connect,
        connect_robust,
        instrument,
        uninstrument,
    )

__all__ = ["Connection", "RobustConnection", "connect", "connect_robust", "instrument", "uninstrument"]
