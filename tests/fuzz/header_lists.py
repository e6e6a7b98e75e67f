"""Header lists from a seed: valid ones, and valid ones that were bent in every way that a wire can bend them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

HEX = b"0123456789abcdef"
NAMES = ("traceparent", "tracestate", "baggage", "ce_traceparent", "ce_tracestate")
FOREIGN_NAMES = ("b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "uber-trace-id", "x-amzn-trace-id")
USER_NAMES = (
    "user",
    "",
    "é",
    "trace-parent",
    "traceparent2",
    "x" * 11,
    "y" * 14,
    "unbroken-attempt",
    "unbroken-origin",
)
JUNK: tuple[Any, ...] = (
    None,
    "",
    b"",
    7,
    -1.5,
    True,
    (),
    [],
    {},
    [b"a"],
    ("a",),
    object(),
    "é",
    "\ud800",
    b"\x00",
    b"\xff" * 8,
    "00",
)
CHARACTERS = 'az09-_*/@ =,;%+\t"\\\x00\x7fé\ud800'


def octets(random: Random, count: int) -> bytes:
    """Return hexadecimal digits in lower case."""
    return bytes(random.choices(HEX, k=count))


def traceparent(random: Random) -> bytes:
    """Return a well-formed value, most often of version 00."""
    version = b"00" if random.random() < 0.9 else octets(random, 2)
    ids = octets(random, 32) + b"-" + octets(random, 16)
    if random.random() < 0.05:
        ids = b"0" * 32 + ids[32:] if random.random() < 0.5 else ids[:33] + b"0" * 16
    return version + b"-" + ids + b"-" + octets(random, 2)


def tracestate(random: Random) -> bytes:
    """Return members that mostly keep the grammar."""
    members = [
        (
            text(random, "az09", 1, 1) + text(random, "az09_-*/@", 0, 12) + "=" + text(random, "az09 -+:", 0, 9) + "v"
        ).encode()
        for _ in range(random.choice((0, 1, 2, 3, 33)))
    ]
    return random.choice((b",", b" , ", b",,")).join(members)


def baggage(random: Random) -> bytes:
    """Return members that mostly keep the grammar."""
    members = [
        text(random, "az09-_%C3A9", 1, 8)
        + "="
        + text(random, "az09-_%C3A9+=", 0, 8)
        + random.choice(("", ";p", ";p=1"))
        for _ in range(random.choice((0, 1, 2, 3, 65)))
    ]
    return random.choice((",", " , ")).join(members).encode()


def text(random: Random, characters: str, least: int, most: int) -> str:
    """Return so many of the characters."""
    return "".join(random.choices(characters, k=random.randint(least, most)))


VALUES: dict[str, Callable[[Random], bytes]] = {
    "traceparent": traceparent,
    "ce_traceparent": traceparent,
    "tracestate": tracestate,
    "ce_tracestate": tracestate,
    "baggage": baggage,
    "b3": lambda random: octets(random, 32) + b"-" + octets(random, 16) + b"-1",
    "x-b3-traceid": lambda random: octets(random, 32),
    "x-b3-spanid": lambda random: octets(random, 16),
    "x-b3-sampled": lambda random: random.choice((b"0", b"1", b"d")),
    "uber-trace-id": lambda random: octets(random, 32) + b":" + octets(random, 16) + b":0:1",
    "x-amzn-trace-id": lambda random: (
        b"Root=1-" + octets(random, 8) + b"-" + octets(random, 24) + b";Parent=" + octets(random, 16) + b";Sampled=1"
    ),
    "unbroken-attempt": lambda random: b"%d" % random.randint(0, 10 ** random.randint(0, 12)),
    "unbroken-origin": traceparent,
}


def flipped(random: Random, value: bytes) -> bytes:
    """Return the value with one bit flipped."""
    if not value:
        return b"\x80"
    place = random.randrange(len(value))
    return value[:place] + bytes((value[place] ^ 1 << random.randrange(8),)) + value[place + 1 :]


def inserted(random: Random, value: bytes) -> bytes:
    """Return the value with a few bytes put in."""
    place = random.randint(0, len(value))
    return value[:place] + random.randbytes(random.randint(1, 3)) + value[place:]


BENDS: tuple[Callable[[Random, bytes], Any], ...] = (
    flipped,
    inserted,
    lambda random, value: value[: random.randint(0, len(value))],
    lambda random, value: random.choice((value.upper(), value.title(), value.swapcase())),
    lambda random, value: (
        random.choice((b" ", b"\t", b"\n", b"\x00")) + value + random.choice((b"", b" ", b"\t", b"\r\n"))
    ),
    lambda random, value: value + random.choice((b"-", b"-00", b",", b";", b"=")) + value[: random.randint(0, 8)],
    lambda random, value: value.decode("latin-1"),
    lambda random, value: bytearray(value),
    lambda random, value: text(random, CHARACTERS, 0, 30),
    lambda random, value: random.randbytes(random.choice((1, 16, 55, 56))),
    lambda random, value: value * (random.choice((300, 3000)) if random.random() < 0.02 else 2),
    lambda random, value: random.choice(JUNK),
)


def bent_name(random: Random, name: str) -> Any:
    """Return the name in another case, as bytes, with something around it, or no name at all."""
    return random.choice(
        (
            name.upper(),
            name.title(),
            name.encode(),
            name.upper().encode(),
            bytearray(name.encode()),
            f" {name}",
            f"{name}\x00",
            name.replace("a", "а"),  # the Cyrillic letter
            random.choice(JUNK),
        )
    )


def bent_pair(random: Random, pair: tuple[Any, Any]) -> Any:
    """Return what is no pair of name and value any more, or a pair of another type."""
    return random.choice((list(pair), (*pair, None), pair[:1], (pair,), (pair, pair), random.choice(JUNK), [pair[0]]))


def header_list(random: Random, names: tuple[str, ...] = NAMES) -> list[Any]:
    """Return one header list: user headers and propagation fields, some of them bent."""
    bend = random.choice((0.0, 0.0, 0.1, 0.5))
    pairs: list[Any] = []
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 5))):
        name = random.choice(names) if random.random() < 0.6 else "traceparent"
        value: Any = VALUES[name](random)
        copies = random.choice((1, 1, 1, 1, 1, 1, 1, 1, 2, 3))
        if random.random() < bend:
            value = random.choice(BENDS)(random, value)
        shown: Any = bent_name(random, name) if random.random() < bend / 2 else name
        pair: Any = (shown, value)
        pairs += [bent_pair(random, pair) if random.random() < bend / 4 else pair] * copies
    for _ in range(random.choice((0, 0, 1, 3, 20))):
        pairs.append((random.choice(USER_NAMES), random.choice((b"", b"value", random.randbytes(4), *JUNK))))
    random.shuffle(pairs)
    return pairs


def header_lists(seed: int, cases: int, names: tuple[str, ...] = NAMES) -> Iterator[list[Any]]:
    """Yield so many header lists; the same for the same seed."""
    random = Random(seed)
    for _ in range(cases):
        yield header_list(random, names)
