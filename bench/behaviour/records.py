"""The records that the scenarios read, by topic; written by a producer that nothing instruments."""

from dataclasses import dataclass
from random import Random

_RANDOM = Random(29)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its value, the trace of its producer, the headers that it has on the wire."""

    value: bytes | None
    trace: str
    headers: list[tuple[str, str | bytes | None]]


def _record(value: bytes | None = b"paid", name: str = "traceparent", junk: bytes | None = None) -> Record:
    trace = f"{_RANDOM.getrandbits(127) + 1:032x}"
    traceparent = f"00-{trace}-{_RANDOM.getrandbits(63) + 1:016x}-01".encode()
    return Record(value, trace, [("user", b"kept"), (name, junk or traceparent)])


ONE, FIRST, SECOND, TEN, DAMAGED, TOMBSTONE, CASE = "one", "first", "second", "ten", "damaged", "tombstone", "case"

TOPICS = {
    ONE: [_record()],
    FIRST: [_record(), _record()],
    SECOND: [_record(), _record()],
    TEN: [_record() for _ in range(10)],
    DAMAGED: [_record(b"0"), _record(b"1", junk=b"\xff\xfe\x00 no text"), _record(b"2")],
    TOMBSTONE: [_record(None)],
    CASE: [_record(name="Traceparent")],
}
