"""`inject` and `extract`: the fast path and the full reader say the same, and nothing ambient is in a context."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from unbroken import attached, extract, inject
from unbroken.propagation import context as propagation
from unbroken.propagation import w3c

IDS = b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
VALID = b"00-" + IDS + b"-01"
OTHER = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"


def traceparent(context: Context) -> bytes | None:
    fields: list[tuple[str, bytes]] = inject(context=context)
    return dict(fields).get("traceparent")


@pytest.mark.parametrize("flags", [b"00", b"01", b"02", b"03", b"04", b"ff"])
def test_the_fast_path_reads_the_common_header_as_the_full_reader_does(flags: bytes) -> None:
    pairs = [("a", b"1"), ("traceparent", b"00-" + IDS + b"-" + flags)]
    assert propagation.fast_extract(pairs) == propagation.full_extract(pairs).span_context


def test_the_fast_path_makes_what_the_constructor_makes() -> None:
    fast = propagation.fast_extract([("traceparent", VALID)])
    assert fast == SpanContext(
        int(IDS[:32], 16), int(IDS[33:], 16), is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState()
    )
    assert fast is not None
    assert (fast.is_valid, fast.is_remote, fast.trace_flags.sampled, type(fast.trace_flags)) == (
        True,
        True,
        True,
        TraceFlags,
    )


def test_no_header_of_ours_is_the_fast_path_too() -> None:
    assert propagation.fast_extract([("a", b"1"), ("b" * 11, b"2")]) is propagation.NOTHING


@pytest.mark.parametrize(
    "pairs",
    [
        [("Traceparent", VALID)],
        [(b"traceparent", VALID)],
        [(b"TRACEPARENT", VALID)],
        [("traceparent", VALID.decode() + "é")],
        [("traceparent", VALID.decode() + "\ud800")],
        [("traceparent", None)],
        [("traceparent", VALID), ("traceparent", VALID)],
        [("traceparent", None), ("traceparent", VALID)],
        [("traceparent", VALID), ("tracestate", b"a=1, b=2")],
        [("traceparent", VALID), ("tracestate", b"a=1,a=2")],
        [("traceparent", VALID), ("tracestate", ",".join(f"k{n}=v" for n in range(33)).encode())],
        [("traceparent", VALID), ("tracestate", b"a")],
        [("traceparent", VALID), ("tracestate", "a=é")],
        [("traceparent", VALID), ("tracestate", None)],
        [("traceparent", VALID), ("tracestate", b"a=1"), ("tracestate", b"b=1")],
        [("tracestate", b"a=1")],
        [("traceparent", VALID), (b"tracestate", b"a=1")],
        [("traceparent", VALID), ("baggage", b"a=1")],
        [("ce_traceparent", VALID)],
        [(b"baggage", b"a=1")],
        [("traceparent", b"00-" + b"0" * 32 + IDS[32:] + b"-01")],
        [("traceparent", b"00-" + IDS[:33] + b"0" * 16 + b"-01")],
        [("traceparent", b"01-" + IDS + b"-01")],
        [("traceparent", VALID + b" ")],
        [("traceparent", VALID.upper())],
        [("traceparent", bytearray(VALID))],
        [(7, b"1")],
        [None],
    ],
)
def test_every_other_header_set_goes_to_the_full_reader(pairs: Any) -> None:
    assert propagation.fast_extract(pairs) is None


def test_text_is_read_by_the_short_way_as_octets_are() -> None:
    octets = propagation.fast_extract([("traceparent", VALID), ("tracestate", b"a=1")])
    assert octets is not None
    assert propagation.fast_extract([("traceparent", VALID.decode()), ("tracestate", "a=1")]) == octets


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "TRACEPARENT", b"traceparent", b"TraceParent"])
@pytest.mark.parametrize("value", [VALID, VALID.decode(), bytearray(VALID), b" " + VALID + b"\t"])
@pytest.mark.parametrize("shape", [list, tuple, dict])
def test_a_context_is_extracted_whatever_the_name_the_value_and_the_shape(
    name: object, value: object, shape: Callable[[Any], Any]
) -> None:
    assert traceparent(extract(shape([(name, value)]))) == VALID


@pytest.mark.parametrize("headers", [None, [], (), {}, [("a", b"1")], [("traceparent", b"broken")]])
def test_headers_without_a_context_are_an_empty_one(headers: Any) -> None:
    assert extract(headers) == Context()


def test_nothing_of_the_ambient_context_is_extracted() -> None:
    with attached(baggage.set_baggage("ambient", "1", extract([("traceparent", OTHER)]))):
        context = extract([("traceparent", VALID), ("baggage", b"own=1")])
    assert (traceparent(context), dict(baggage.get_all(context))) == (VALID, {"own": "1"})


def test_of_different_parents_the_last_counts() -> None:
    assert traceparent(extract([("traceparent", OTHER), ("traceparent", VALID)])) == VALID


def test_different_parents_restart_the_trace_when_asked() -> None:
    assert extract([("traceparent", OTHER), ("traceparent", VALID)], duplicates="restart") == Context()


def test_the_current_context_is_injected() -> None:
    with attached(extract([("traceparent", VALID)])):
        assert inject() == [("traceparent", VALID)]


def test_trace_state_and_baggage_go_with_the_trace() -> None:
    fields = [("traceparent", VALID), ("tracestate", b"a=1,b=2"), ("baggage", b"user=Ana%20Mar%C3%ADa;ttl=60")]
    assert inject(context=extract(fields)) == fields


def test_baggage_travels_without_a_trace() -> None:
    assert inject([("baggage", b"old=1")], context=extract([("baggage", b"a=1")])) == [("baggage", b"a=1")]


@pytest.mark.parametrize("context", [Context(), set_span_in_context(INVALID_SPAN, Context())])
def test_a_context_without_anything_leaves_the_headers_as_they_are(context: Context) -> None:
    headers = [("traceparent", VALID), ("a", b"1")]
    assert inject(headers, context=context) == headers


def test_a_trace_without_state_and_baggage_removes_those_of_another() -> None:
    headers = [("tracestate", b"old=1"), ("baggage", b"old=1")]
    assert inject(headers, context=extract([("traceparent", VALID)])) == [("traceparent", VALID)]


def test_unknown_flags_are_not_passed_on() -> None:
    span_context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(0xFF))
    context = set_span_in_context(NonRecordingSpan(span_context), Context())
    assert traceparent(context) == b"00-%032x-%016x-03" % (1, 2)


def test_a_state_of_level_2_survives_although_opentelemetry_knows_level_1() -> None:
    fields = [("traceparent", VALID), ("tracestate", b"0tenant/x*@=v,1=2")]
    assert inject(context=extract(fields)) == fields


def test_a_state_of_level_2_can_be_changed_by_a_sampler() -> None:
    context = extract([("traceparent", VALID), ("tracestate", b"a=1,b=2")])
    state = get_current_span(context).get_span_context().trace_state
    assert state.add("c", "3").to_header() == "c=3,a=1,b=2"
    assert state.update("b", "4").to_header() == "b=4,a=1"
    assert state.delete("a").to_header() == "b=2"


def test_baggage_whose_text_cannot_be_had_is_left_out() -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    context = baggage.set_baggage("bad", Hostile(), extract([("traceparent", VALID)]))
    context = baggage.set_baggage("good", "1", context)
    assert inject(context=context) == [("traceparent", VALID), ("baggage", b"good=1")]


def test_extracted_baggage_is_baggage_for_opentelemetry() -> None:
    context = extract([("baggage", b"a=1")])
    assert baggage.get_baggage("a", context) == "1"
    assert dict(baggage.get_all(baggage.set_baggage("b", "2", context))) == {"a": "1", "b": "2"}


def test_an_origin_is_what_the_headers_say() -> None:
    first = propagation.extract_origin([("traceparent", VALID)])
    assert first == propagation.Origin(propagation.fast_extract([("traceparent", VALID)]), None)
    assert propagation.extract_origin([]) == propagation.Origin(None, None)
    assert propagation.extract_origin([("traceparent", b"broken")]).problems[0].field == "traceparent"


def test_the_others_of_several_parents_are_remote_contexts() -> None:
    origin = propagation.extract_origin([("traceparent", OTHER), ("traceparent", VALID)])
    assert [(other.span_id, other.is_remote) for other in origin.others] == [(0x2222222222222222, True)]


def test_the_keys_are_those_of_opentelemetry() -> None:
    context = extract([("traceparent", VALID), ("baggage", b"a=1")])
    assert get_current_span(context).get_span_context().trace_id == w3c.parse_traceparent(VALID).trace_id
    assert set(context) == {propagation.SPAN_KEY, propagation.BAGGAGE_KEY}


def test_extracting_and_injecting_leave_the_current_context_alone() -> None:
    before = get_current()
    inject(context=extract([("traceparent", VALID)]))
    assert get_current() is before


def test_a_rule_for_duplicates_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="duplicates must be one of last, restart, not 'first'"):
        extract([], duplicates="first")  # type: ignore[arg-type]
