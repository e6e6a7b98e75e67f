"""Properties of the context on the wire: round trips, limits, and no header that raises."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.baggage import get_all
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from unbroken import extract, inject
from unbroken.errors import InvalidHeader
from unbroken.propagation import context as propagation
from unbroken.propagation import w3c
from unbroken.propagation.w3c import BaggageValue, ListMember, TraceParent

PARENTS = st.builds(TraceParent, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3))
KEYS = st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,255}", fullmatch=True)
VALUES = st.from_regex(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]", fullmatch=True)
STATES = st.dictionaries(KEYS, VALUES, max_size=15).map(
    lambda members: tuple(ListMember(key, value) for key, value in members.items())
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
PROPERTIES = st.from_regex(r"[a-z]{1,5}(=[a-z0-9]{0,5})?(;[a-z]{1,5})?", fullmatch=True) | st.just("")
BAGGAGE = st.dictionaries(TEXTS.filter(bool), st.builds(BaggageValue, TEXTS, PROPERTIES), max_size=5)
NAMES = st.sampled_from(["traceparent", "TraceParent", b"traceparent", "tracestate", "baggage", "ce_traceparent", "x"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | st.binary(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
WELL_FORMED = PARENTS.map(lambda parent: w3c.format_traceparent(*parent).encode())
HEADERS = st.lists(st.tuples(NAMES, WELL_FORMED | ANYTHING) | ANYTHING, max_size=6)


@given(PARENTS)
def test_a_parent_that_is_written_is_read(parent: TraceParent) -> None:
    assert w3c.parse_traceparent(w3c.format_traceparent(*parent)) == parent


@given(PARENTS, st.integers(0, 255))
def test_a_context_that_is_injected_is_extracted(parent: TraceParent, flags: int) -> None:
    span_context = SpanContext(parent.trace_id, parent.parent_id, is_remote=False, trace_flags=TraceFlags(flags))
    headers = inject(context=set_span_in_context(NonRecordingSpan(span_context), Context()))
    found = get_current_span(extract(headers)).get_span_context()
    assert (found.trace_id, found.span_id, found.trace_flags) == (parent.trace_id, parent.parent_id, flags & 3)


@given(STATES)
def test_a_state_that_is_written_is_read(members: tuple[ListMember, ...]) -> None:
    assert w3c.parse_tracestate([w3c.format_tracestate(members).encode()]) == members


@given(PARENTS, STATES)
def test_a_state_that_is_injected_is_extracted(parent: TraceParent, members: tuple[ListMember, ...]) -> None:
    fields = [("traceparent", w3c.format_traceparent(*parent).encode())]
    if members:
        fields.append(("tracestate", w3c.format_tracestate(members).encode()))
    assert inject(context=extract(fields)) == fields


@given(st.lists(st.tuples(KEYS, VALUES), max_size=32), st.integers(0, 600))
def test_a_state_never_passes_its_limit_and_loses_whole_members(members: list[tuple[str, str]], limit: int) -> None:
    written = w3c.format_tracestate([ListMember(*member) for member in members], limit)
    assert len(written) <= limit
    assert {*filter(None, written.split(","))} <= {f"{key}={value}" for key, value in members}


@given(st.lists(st.tuples(KEYS, VALUES), max_size=10))
def test_a_state_of_opentelemetry_is_written_as_it_writes_it(members: list[tuple[str, str]]) -> None:
    state = TraceState(members)
    context = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_state=state)), Context())
    assert dict(inject(context=context)).get("tracestate", b"").decode() == state.to_header()


@given(BAGGAGE)
def test_baggage_that_is_written_is_read(members: dict[str, BaggageValue]) -> None:
    found, problem = w3c.parse_baggage([w3c.format_baggage(members).encode("ascii")])
    shown = {name: (str(value), value.properties) for name, value in found.items()}
    assert shown == {name: (str(value), value.properties) for name, value in members.items()}
    assert problem is None


@given(BAGGAGE)
def test_baggage_that_is_injected_is_extracted(members: dict[str, BaggageValue]) -> None:
    context = Context()
    for name, value in members.items():
        context = baggage.set_baggage(name, value, context)
    assert dict(get_all(extract(inject(context=context)))) == members


@given(st.dictionaries(st.text(max_size=300), st.text(max_size=3000), max_size=80))
def test_baggage_of_any_text_is_ascii_within_the_limits(members: dict[str, str]) -> None:
    header = w3c.format_baggage(members)
    assert header.isascii()
    assert len(header) <= w3c.MAX_BAGGAGE_LENGTH
    found, problem = w3c.parse_baggage([header])
    assert len(found) <= w3c.MAX_BAGGAGE_MEMBERS
    assert problem is None


@given(st.lists(ANYTHING, max_size=3))
def test_a_parser_returns_or_refuses(values: list[Any]) -> None:
    w3c.parse_baggage(values)
    with suppress(InvalidHeader):
        w3c.parse_tracestate(values)
    for value in values:
        with suppress(InvalidHeader):
            w3c.parse_traceparent(value)


@given(HEADERS)
def test_the_fast_path_says_what_the_full_reader_says(headers: list[Any]) -> None:
    fast = propagation.fast_extract(headers)
    if fast is not None:
        full = w3c.read(headers)
        parent = None if fast is propagation.NOTHING else TraceParent(fast.trace_id, fast.span_id, fast.trace_flags)
        assert full == w3c.Carried(parent, (), (), {}, ())


@given(HEADERS, st.sampled_from([list, tuple]), PARENTS)
def test_injecting_replaces_what_is_ours_and_nothing_else(headers: list[Any], shape: Any, parent: TraceParent) -> None:
    fields = [("traceparent", w3c.format_traceparent(*parent).encode())]
    shaped = shape(headers)
    injected = inject(shaped, context=extract(fields))
    assert (type(injected), shaped) == (shape, shape(headers))
    assert list(injected)[-1:] == fields
    assert get_current_span(extract(injected)).get_span_context().trace_id == parent.trace_id


@given(st.dictionaries(NAMES | st.text(max_size=5), ANYTHING, max_size=5), PARENTS)
def test_injecting_into_a_mapping_replaces_what_is_ours(headers: dict[Any, Any], parent: TraceParent) -> None:
    before = dict(headers)
    traceparent = w3c.format_traceparent(*parent)
    injected = inject(headers, context=extract({"traceparent": traceparent}))
    kept = {
        name: value
        for name, value in headers.items()
        if (name if isinstance(name, str) else name.decode()).lower() not in {"traceparent", "tracestate", "baggage"}
    }
    assert injected == {**kept, "traceparent": traceparent}
    assert headers == before
