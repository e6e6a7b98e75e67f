"""pika: how its deliveries are read, and channels, connections and callbacks that are traced.

    from unbroken.clients.pika import instrument

    connection = instrument(pika.BlockingConnection(parameters))    # each channel that it opens from now on
    channel = instrument(connection.channel())                      # or one channel

- `basic_publish` carries the current context in the headers and makes one PRODUCER span. It ends when the client's
  method returns; in confirm mode with the broker's answer: of a `BlockingChannel` that is the same moment, of a
  `pika.channel.Channel` it is its callback.
- The callbacks of `basic_consume`, and of `basic_get` of a `pika.channel.Channel`, run in `process`.
- `consume()` of a `BlockingChannel`: the span of a message is current until the next step of the loop, and not after
  the loop, however it is left.
- `basic_ack`, `basic_nack`, `basic_reject`: one span, child of the process span.

A channel is traced from then on: of messages that it has published before, no confirmation is awaited. The client gives
a message in four pieces; `Delivery` holds them, for `process`, `extract` and `forward`. Properties and headers of the
user and of a message are never changed.
"""

from unbroken.errors import required

with required("pika"):
    from unbroken.clients.pika.dropins import get, instrument, traced, uninstrument
    from unbroken.clients.pika.messages import Delivery

__all__ = ["Delivery", "get", "instrument", "traced", "uninstrument"]
