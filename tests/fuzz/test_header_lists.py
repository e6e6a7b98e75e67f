"""No header list raises, loses a user's header, leaves a context behind or divides the fast path from the full reader.

The seed is the same each time, unless `UNBROKEN_FUZZ_SEED` sets another; `UNBROKEN_FUZZ_CASES` sets the length. CI runs
the whole once, 200,000 cases. The seed is in the name of what fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.context import get_current
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.fuzz.header_lists import FOREIGN_NAMES, NAMES, header_lists
from unbroken import attached, extract, forward, inject, process, send
from unbroken.messaging.message import MessageType, known_types, register
from unbroken.messaging.send import start_send
from unbroken.propagation import context as propagation
from unbroken.propagation import w3c
from unbroken.propagation.carriers import ATTRIBUTES, MAPPING, PAIRS, Carrier

SEED = int(os.environ.get("UNBROKEN_FUZZ_SEED") or 20_261_201)
CASES = int(os.environ.get("UNBROKEN_FUZZ_CASES") or 5_000)

CONTEXT = extract([("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), ("baggage", b"new=1")])
FIELDS = set(w3c.FIELDS)
WRITTEN = {"traceparent", "tracestate", "baggage"}
SENT = {"messaging.operation.name": "send", "messaging.system": "aws_sqs"}
OURS = {"unbroken-origin", "unbroken-source", "unbroken-attempt", "unbroken-error"}

pytestmark = pytest.mark.parametrize("seed", [pytest.param(SEED, id=f"UNBROKEN_FUZZ_SEED={SEED}")])


@dataclass(frozen=True, eq=False)
class Message:
    """A message whose headers are whatever they are."""

    headers: list[Any]


register(
    Message,
    MessageType(
        system="kafka",
        carrier=PAIRS,
        headers=lambda message: message.headers,
        destination=lambda _: "orders",
        attributes=lambda _: {"messaging.destination.name": "orders"},
        per_message_attributes=(),
        source=lambda _: "orders/0/7",
        timestamp=lambda _: None,
        error=lambda _: None,
        consumer=lambda _: {},
    ),
)


@dataclass(frozen=True, eq=False)
class OtherMessage:
    """A message of another wire; of what its headers hold, `others` are not ours."""

    headers: dict[Any, Any]


def hashable(name: Any) -> bool:
    """Return whether something can be a key at all."""
    try:
        hash(name)
    except TypeError:
        return False
    return True


def mapping(headers: list[Any]) -> dict[Any, Any]:
    """Return a header list as a table of AMQP: what is no pair stands under its place."""
    pairs = [
        pair if isinstance(pair, tuple) and len(pair) == 2 else (place, pair) for place, pair in enumerate(headers)
    ]
    return {name: value for name, value in pairs if hashable(name)}


def attributes(headers: list[Any]) -> dict[Any, Any]:
    """Return a header list as attributes of SQS, or what should have been some."""
    return {
        name: value if place % 5 == 4 else {"DataType": "String", ("StringValue", "BinaryValue")[place % 2]: value}
        for place, (name, value) in enumerate(list(mapping(headers).items())[:10])
    }


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the telemetry survived: nothing, or a test of ours hides a failure."""
    survived: list[BaseException] = []
    for module in ("scope", "send", "forward", "receive", "metrics"):
        monkeypatch.setattr(
            f"unbroken.messaging.{module}.log_internal_error", lambda where, error: survived.append(error)
        )
    return survived


@pytest.fixture
def set_propagator() -> Iterator[Callable[[TextMapPropagator], None]]:
    """A function that sets the global propagator for the test."""
    before = propagate.get_global_textmap()
    yield propagate.set_global_textmap
    propagate.set_global_textmap(before)


def name_of(pair: Any) -> str | None:
    """Return the name of a header in lower case, None for what has none."""
    try:
        name = pair[0]
    except (TypeError, IndexError, KeyError):
        return None
    if isinstance(name, (bytes, bytearray)):
        name = name.decode("latin-1")
    return name.lower() if isinstance(name, str) else None


def others(headers: list[Any], names: set[str]) -> list[Any]:
    return [pair for pair in headers if name_of(pair) not in names]


def agrees(headers: list[Any]) -> bool:
    """Return whether the fast path, where it answers, says what the full reader says."""
    fast = propagation.fast_extract(headers)
    if fast is None:
        return True
    full = w3c.read(headers)
    if fast is propagation.NOTHING:
        return full == w3c.Carried(None, (), (), {}, ())
    parent = w3c.TraceParent(fast.trace_id, fast.span_id, fast.trace_flags)
    state = tuple(w3c.ListMember(*member) for member in fast.trace_state.items())
    return full == w3c.Carried(parent, (), state, {}, ()) and fast.is_valid and fast.is_remote


def test_the_fast_path_says_what_the_full_reader_says(seed: int) -> None:
    wrong = [headers for headers in header_lists(seed, CASES) if not agrees(headers)]
    assert wrong == []


def test_headers_of_the_user_stay_when_a_context_is_injected(seed: int) -> None:
    for headers in header_lists(seed, CASES // 2):
        before = list(headers)
        injected = inject(headers, context=CONTEXT)
        assert headers == before
        assert injected == [*others(headers, WRITTEN), *inject(context=CONTEXT)], headers


def test_what_is_extracted_can_be_injected_and_extracted_again(seed: int) -> None:
    for headers in header_lists(seed, CASES // 4):
        fields = inject(context=extract(headers))
        assert inject(context=extract(fields)) == fields, headers


def test_both_policies_about_duplicates_survive(seed: int) -> None:
    for headers in header_lists(seed, CASES // 4):
        last, restart = w3c.read(headers), w3c.read(headers, "restart")
        assert restart.parent in {None, last.parent}, headers
        extract(headers, duplicates="restart")


@pytest.mark.parametrize("sampler", [None, ALWAYS_OFF, ALWAYS_ON], ids=["no SDK", "unsampled", "sampled"])
def test_a_message_is_processed_and_forwarded_whatever_its_headers(
    seed: int, sampler: Any, raised: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = None if sampler is None else TracerProvider(sampler=sampler)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    before = get_current()
    for headers in header_lists(seed, CASES if provider is None else CASES // 10):
        message, given = Message(headers), list(headers)
        with process(message):
            inside = forward(message)
        assert get_current() is before
        outside = forward(message, error=ValueError("no"))
        assert (headers, raised) == (given, [])
        kept = others(headers, WRITTEN | OURS)
        assert inside[: len(kept)] == outside[: len(kept)] == kept, headers
        names = [name for name, _ in inside[len(kept) :]]
        assert len(names) == len(set(names)), headers


def test_a_message_is_sent_whatever_its_headers(
    seed: int, raised: list[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(sampler=ALWAYS_ON))
    before = get_current()
    for headers in header_lists(seed, CASES // 20):
        given = list(headers)
        with attached(CONTEXT), send("orders", headers) as sending:
            pass
        assert get_current() is before
        assert (headers, raised) == (given, [])
        assert others(sending.headers, WRITTEN) == others(headers, WRITTEN), headers


@pytest.mark.parametrize(("carrier", "shaped"), [(MAPPING, mapping), (ATTRIBUTES, attributes)], ids=["amqp", "sqs"])
def test_every_wire_survives_every_header(
    seed: int,
    carrier: Carrier,
    shaped: Callable[[list[Any]], dict[Any, Any]],
    raised: list[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(sampler=ALWAYS_ON))
    monkeypatch.setitem(known_types, OtherMessage, replace(known_types[Message], carrier=carrier))
    before = get_current()
    for headers in header_lists(seed, CASES // 10):
        message = OtherMessage(shaped(headers))
        given = dict(message.headers)
        with process(message):
            forwarded = forward(message, error=ValueError("no"))
        with attached(CONTEXT):
            sending = start_send("orders", message.headers, lambda: SENT, carrier)
            sending.end()
        assert get_current() is before
        assert (message.headers, raised) == (given, [])
        for written, ours in ((forwarded, WRITTEN | OURS), (sending.headers, WRITTEN)):
            kept = {name: value for name, value in given.items() if name_of((name, value)) not in ours}
            assert {name: value for name, value in written.items() if name in kept} == kept, headers
            assert carrier.limit is None or len(written) <= carrier.limit, headers


@pytest.mark.parametrize(
    "make",
    [
        B3SingleFormat,
        B3MultiFormat,
        JaegerPropagator,
        AwsXRayPropagator,
        lambda: CompositePropagator([B3MultiFormat(), TraceContextTextMapPropagator()]),
    ],
    ids=["b3", "b3multi", "jaeger", "xray", "b3multi,tracecontext"],
)
def test_a_foreign_propagator_survives_every_header(
    seed: int, make: Callable[[], TextMapPropagator], set_propagator: Callable[[TextMapPropagator], None]
) -> None:
    set_propagator(propagator := make())
    before = get_current()
    for headers in header_lists(seed, CASES // 40, NAMES + FOREIGN_NAMES):
        given, context = list(headers), extract(headers)
        with process(Message(headers)):
            pass
        assert get_current() is before
        fields = inject(context=context)
        replaced = {name.lower() for name in (*dict(fields), *propagator.fields)} if fields else set()
        assert inject(headers, context=context) == [*others(headers, replaced), *fields], given
        assert headers == given
