"""The driver of a client: the same few verbs over each library, so that every test of the contract runs on all of them.

A driver sends with its drop-in class and with the client's own, and reads one destination from its beginning. Clients
of asyncio run on a loop of the driver's own, in tasks that begin with the context of the test.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, TypeVar

from confluent_kafka import admin as confluent_admin

from unbroken.propagation.carriers import Wire

T = TypeVar("T")
admin: Any = confluent_admin  # it does not declare all that it exports
Pairs = list[tuple[str, Any]]

PATIENCE = 30.0
"""Seconds until a message that does not come fails the test."""
MAX_BYTES = 8 << 20
"""What the producers are allowed to send in one message."""
HEARTBEAT_MS = 300
"""Of members of a group: a rebalance is seen with the next heartbeat."""


class Reader(ABC):
    """A consumer at work. `consumer` is the client's object, for `process(message, reader.consumer)`."""

    consumer: Any

    @abstractmethod
    def some(self, limit: int) -> list[Any]:
        """The messages that are there now or within half a second, at most `limit`."""

    def take(self, count: int) -> list[Any]:
        """The next messages, exactly so many."""
        deadline = time.monotonic() + PATIENCE
        messages: list[Any] = []
        while len(messages) < count:
            assert time.monotonic() < deadline, f"{len(messages)} of {count} messages came"
            messages += self.some(count - len(messages))
        return messages

    def one(self) -> Any:
        """The next message."""
        return self.take(1)[0]


class Client(ABC):
    """A client library, behind the verbs of the tests.

    Attributes:
        name: for the id of the test.
        servers: the fixtures that name a server for it.
        wire: of its headers.
        sending: `messaging.operation.name` of its send spans.
        receiving: the same of a batch.
        refuses: what it raises for a value that it cannot send.
    """

    name: ClassVar[str]
    servers: ClassVar[tuple[str, ...]]
    wire: ClassVar[Wire]
    sending: ClassVar[str] = "send"
    receiving: ClassVar[str]
    refuses: ClassVar[tuple[type[Exception], ...]] = (TypeError, AssertionError)

    def __init__(self, address: str) -> None:
        self.address = address
        self.closing = ExitStack()

    @classmethod
    def missing(cls) -> str | None:
        """What the installed version of the client lacks for this driver."""
        return None

    def another(self) -> "Client":
        """A driver of the same client on the same server."""
        return type(self)(self.address)

    def close(self) -> None:
        """Give everything back."""
        self.closing.close()

    @abstractmethod
    def send(self, destination: str, value: Any = b"value", *, headers: Any = None) -> None:
        """Send with the drop-in producer; `flush` waits for the broker. A destination is made where there is none."""

    @abstractmethod
    def send_plain(self, destination: str, value: bytes, headers: Any) -> None:
        """Send with the client's own producer and wait for the broker."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until the broker has answered for every message; its errors stay on the spans."""

    @abstractmethod
    def reader(self, destination: str, *, plain: bool = False) -> Any:
        """A block with a Reader of a destination from its beginning, by the drop-in consumer or the client's own."""

    @abstractmethod
    def value(self, message: Any) -> Any:
        """The octets of a message."""

    @abstractmethod
    def as_received(self, message: Any) -> Any:
        """The headers of a message in the client's own shape."""

    def headers(self, message: Any) -> Pairs:
        """The headers of a message, all of them, text as octets."""
        found = self.pairs(message)
        return [(name, value.encode() if isinstance(value, str) else value) for name, value in found]

    @abstractmethod
    def pairs(self, message: Any) -> Pairs:
        """The headers of a message, all of them."""

    @abstractmethod
    def given(self, pairs: Sequence[tuple[str, bytes]]) -> Any:
        """Headers in the shape in which the client takes them."""

    @abstractmethod
    def server(self) -> str:
        """The `host:port` that is on the spans."""


class KafkaClient(Client):
    """A client of Kafka; it reads partition 0.

    Attributes:
        sends_null_headers: whether the client can produce a header without a value.
        too_large: `error.type` when the broker refuses the size of a message.
        plain_consumer_tells: whether the client's own consumer knows its group without asking the broker.
        has_partitions: whether its groups assign partitions, which a rebalance takes away.
    """

    servers = ("embedded", "real_kafka")
    wire = "kafka"
    receiving = "poll"
    sends_null_headers: ClassVar[bool] = True
    too_large: ClassVar[str]
    plain_consumer_tells: ClassVar[bool] = True
    has_partitions: ClassVar[bool] = True

    def __init__(self, address: str, embedded: bool) -> None:
        super().__init__(address)
        self.embedded = embedded

    @property
    def bootstrap(self) -> str:
        """The address, as these clients call it."""
        return self.address

    def another(self) -> Client:
        return type(self)(self.address, self.embedded)

    def send(self, destination: str, value: Any = b"value", *, key: Any = None, headers: Any = None) -> None:
        self.send_to(destination, 0, value, key=key, headers=headers)

    @abstractmethod
    def send_to(self, topic: str, partition: int, value: Any, *, key: Any = None, headers: Any = None) -> None:
        """Send to a partition with the drop-in producer."""

    @abstractmethod
    def send_by_position(self, topic: str, value: Any, headers: Any) -> None:
        """Send with every argument up to the headers given by its place."""

    @abstractmethod
    def transact(self, topic: str, values: list[bytes], *, commit: bool) -> None:
        """Send in one transaction and commit or abort it."""

    def transactions_missing(self) -> str | None:
        """What the installed version of the client lacks for transactions."""
        return None

    @abstractmethod
    def reader(
        self, destination: str, *, plain: bool = False, group: str | None = None, committed: bool = False
    ) -> Any:
        """A block with a Reader of partition 0 from its beginning; `committed` leaves out aborted messages."""

    @abstractmethod
    def member(self, topic: str, group: str) -> Any:
        """A block with a Reader that is a member of a group, which assigns it partitions."""

    @abstractmethod
    def position(self, message: Any) -> tuple[int, int]:
        """Partition and offset of a message."""

    def as_received(self, message: Any) -> Any:
        return self.pairs(message)

    def given(self, pairs: Sequence[tuple[str, bytes]]) -> Any:
        return pairs

    def server(self) -> str:
        return self.address

    def create_topic(self, topic: str, *, partitions: int = 1, **config: Any) -> None:
        """Make a topic with settings of its own. The embedded broker answers no such request and makes any on use."""
        if self.embedded:
            return
        client = admin.AdminClient({"bootstrap.servers": self.bootstrap})
        settings = {name.replace("_", "."): str(value) for name, value in config.items()}
        wanted = admin.NewTopic(topic, partitions, 1, config=settings)
        client.create_topics([wanted])[topic].result(PATIENCE)


class OnLoop(Client):
    """A client of asyncio, with a loop of its own."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.loop = asyncio.new_event_loop()
        self.closing.callback(self.loop.close)
        self.pending: list[asyncio.Future[Any]] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def flush(self) -> None:
        pending, self.pending = self.pending, []
        self.run(settled(pending))


async def settled(futures: list["asyncio.Future[Any]"]) -> None:
    """Return when all are done; an error is the business of the spans."""
    await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE)


async def made(kind: Any, *args: Any, **named: Any) -> Any:
    """An object that can be made only while a loop runs."""
    return kind(*args, **named)
