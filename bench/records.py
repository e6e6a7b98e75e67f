"""The records of a measurement: which headers they carry and in which topic they lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

Pairs = list[tuple[str, bytes]]

VALUE = b"x" * 100
KEY = b"order-17"
LOOP_RECORDS = 18_000


@dataclass(frozen=True, slots=True)
class Case:
    """A set of headers: `user` headers of the application, then the propagation fields."""

    name: str
    user: int = 3
    sampled: bool = True
    tracestate: bool = False
    baggage: bool = False

    @property
    def topic(self) -> str:
        """The topic of these records: the name with dashes for blanks."""
        return self.name.replace(" ", "-")

    def user_headers(self) -> Pairs:
        """Return the headers of the application."""
        return [(f"x-header-{number}", b"a value of some length") for number in range(self.user)]

    def headers(self, random: Random) -> Pairs:
        """Return the headers of one record, in a trace of its own."""
        flags = "01" if self.sampled else "00"
        traceparent = f"00-{random.getrandbits(127) + 1:032x}-{random.getrandbits(63) + 1:016x}-{flags}"
        headers = [*self.user_headers(), ("traceparent", traceparent.encode())]
        if self.tracestate:
            headers.append(("tracestate", b"vendor=00f067aa0ba902b7,congo=t61rcWkgMzE"))
        if self.baggage:
            headers.append(("baggage", b"user.id=17,tenant=acme,region=eu-west"))
        return headers


CASES = (
    Case("0 headers", user=0),
    Case("3 headers"),
    Case("20 headers", user=20),
    Case("3 headers tracestate", tracestate=True),
    Case("3 headers tracestate baggage", tracestate=True, baggage=True),
    Case("3 headers unsampled", sampled=False),
)
SAMPLED = Case("loop sampled")
UNSAMPLED = Case("loop unsampled", sampled=False)
PRODUCED = "produced"
USER_HEADERS = SAMPLED.user_headers()


MAPPED_HEADERS: dict[str, str] = {name: value.decode() for name, value in USER_HEADERS}
"""The same headers for AMQP, where an application gives text."""
ATTRIBUTES = {name: {"DataType": "String", "StringValue": value} for name, value in MAPPED_HEADERS.items()}
"""And for SQS."""


def topic_for(condition: str) -> str:
    """Return the topic that a consuming loop reads: the records' flag is 00 when the condition is "unsampled"."""
    return (UNSAMPLED if condition == "unsampled" else SAMPLED).topic


def mappings(condition: str, count: int) -> Iterator[dict[str, str]]:
    """Yield the headers of so many messages as text, each in a trace of its own with the flag of the condition."""
    random = Random(17)
    case = UNSAMPLED if condition == "unsampled" else SAMPLED
    for _ in range(count):
        yield {name: value.decode() for name, value in case.headers(random)}


def all_records() -> Iterator[tuple[str, Pairs]]:
    """Yield topic and headers of every record that the broker must hold before a measurement."""
    random = Random(17)
    for case in CASES:
        yield case.topic, case.headers(random)
    for case in (SAMPLED, UNSAMPLED):
        for _ in range(LOOP_RECORDS):
            yield case.topic, case.headers(random)
