"""What is looked at of headers that were made to cost much: the right value comes out, and how much was malformed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.baggage import get_all
from opentelemetry.trace import get_current_span

from unbroken import extract
from unbroken.errors import InvalidHeader
from unbroken.propagation import context, w3c
from unbroken.propagation.carriers import ATTRIBUTES, MAPPING, MAX_HEADERS, bounded, carrier_of

VALID = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PARENT = ("traceparent", VALID)
SPAN_ID = 0xB7AD6B7169203331


def numbered(number: int) -> tuple[str, bytes]:
    return ("traceparent", b"00-%032x-%016x-01" % (7, number + 1))


def problems(headers: Any) -> dict[str, int]:
    return {problem.field: problem.number for problem in context.extract_origin(headers).problems}


def span_id(headers: Any) -> int:
    return get_current_span(extract(headers)).get_span_context().span_id


def test_the_128_newest_parents_are_looked_at() -> None:
    origin = context.extract_origin([numbered(number) for number in range(70_000)])
    assert origin.span_context is not None
    assert origin.span_context.span_id == 70_000
    assert [other.span_id for other in origin.others] == list(range(69_873, 70_000))


@pytest.mark.parametrize("field", ["traceparent", "ce_traceparent", b"traceparent", "TraceParent"])
def test_a_parent_behind_128_others_is_not_seen(field: Any) -> None:
    empty = [(field, b"")] * 70_000
    assert problems(empty) == {"traceparent": 128}
    assert span_id([(field, VALID), *empty]) == 0
    assert span_id([*empty, (field, VALID)]) == SPAN_ID
    assert problems([*empty, (field, VALID)]) == {"traceparent": 127}
    assert span_id([(field, VALID), *empty[:127]]) == SPAN_ID
    assert span_id([(field, VALID), *empty[:128]]) == 0


def test_several_values_under_restart_are_one_problem_more() -> None:
    headers = [numbered(1), ("traceparent", b"bad"), numbered(2)]
    (problem,) = context.extract_origin(headers, "restart").problems
    assert (problem.field, problem.number) == ("traceparent", 2)


@pytest.mark.parametrize(
    ("values", "members", "malformed"),
    [
        ([b"," * 30 + b"a=1"], 1, {}),  # 31 members
        ([b"," * 31 + b"a=1"], 1, {}),
        ([b"," * 32 + b"a=1"], 0, {"tracestate": 1}),
        ([b" ," * 500_000], 0, {"tracestate": 1}),
        ([b""] * 31 + [b"a=1"], 1, {}),
        ([b""] * 32 + [b"a=1"], 0, {"tracestate": 1}),
        ([b""] * 40_000, 0, {"tracestate": 1}),
        ([b"\xff"] * 40_000, 0, {"tracestate": 1}),
    ],
)
def test_empty_members_of_tracestate_count(values: list[bytes], members: int, malformed: dict[str, int]) -> None:
    headers = [PARENT, *(("tracestate", value) for value in values)]
    origin = context.extract_origin(headers)
    assert origin.span_context is not None
    assert (len(origin.span_context.trace_state), problems(headers)) == (members, malformed)


@pytest.mark.parametrize(
    ("values", "names", "malformed"),
    [
        ([b"," * 63 + b"a=1"], ["a"], {}),
        ([b"," * 64 + b"a=1"], [], {"baggage": 1}),
        ([b"b=2," + b" ," * 500_000], ["b"], {"baggage": 1}),
        ([b""] * 63 + [b"a=1"], ["a"], {}),
        ([b""] * 64 + [b"a=1"], [], {"baggage": 1}),
        ([b"a=1"] + [b"\xff"] * 40_000, ["a"], {"baggage": 64}),
        ([7] * 64 + [b"a=1"], [], {"baggage": 65}),
        ([7] * 63 + [b"a=1"], ["a"], {"baggage": 63}),
        ([b"a=1;" + b"p;" * 500_000], [], {"baggage": 1}),
        ([b"a=" + b"%C3" * 300_000], [], {"baggage": 1}),
        ([["a=1"] * 40_000], [], {"baggage": 1}),
    ],
)
def test_64_headers_and_members_of_baggage_are_looked_at(
    values: list[Any], names: list[str], malformed: dict[str, int]
) -> None:
    headers = [("baggage", value) for value in values]
    assert (list(get_all(extract(headers))), problems(headers)) == (names, malformed)


NOISE: dict[str, Callable[[int], Any]] = {
    "foreign": lambda number: f"user-{number}",
    "our initial": lambda number: f"t{number}",
    "nearly ours": lambda number: "traceparenu",
    "octets": lambda number: b"x%d" % number,
    "empty": lambda number: "",
    "none": lambda number: None,
}


@pytest.mark.parametrize("name", NOISE.values(), ids=NOISE)
@pytest.mark.parametrize("count", [1, 256, 257, MAX_HEADERS, 70_000])
def test_a_parent_before_or_behind_very_many_headers_is_found(name: Callable[[int], Any], count: int) -> None:
    noise = [(name(number), b"") for number in range(count)]
    assert span_id([*noise, PARENT]) == span_id([PARENT, *noise]) == SPAN_ID
    assert span_id({**dict(noise), "traceparent": VALID.decode()}) == SPAN_ID


def test_of_very_many_headers_the_first_half_and_the_last_are_looked_at() -> None:
    half = MAX_HEADERS // 2
    noise = [("user", b"")] * (2 * MAX_HEADERS)
    seen = [place for place in (0, half - 1, half, len(noise) - half, len(noise) - 1) if found_at(noise, place)]
    assert seen == [0, half - 1, len(noise) - half, len(noise) - 1]


def found_at(noise: list[tuple[str, bytes]], place: int) -> bool:
    headers = list(noise)
    headers[place] = PARENT
    return span_id(headers) == SPAN_ID


@pytest.mark.parametrize("shape", [list, tuple, lambda pairs: dict(pairs).items(), iter])
def test_whatever_holds_the_pairs_is_bounded(shape: Callable[[Any], Any]) -> None:
    pairs = [(str(number), b"") for number in range(3 * MAX_HEADERS)]
    assert len(list(bounded(shape(pairs)))) == MAX_HEADERS


@pytest.mark.parametrize("count", [0, 10, 250, 251, 300, 5000])
def test_the_fast_path_and_the_full_reader_agree_however_many_headers_there_are(count: int) -> None:
    headers = [*(("user", b"") for _ in range(count)), PARENT]
    origin = context.full_extract(headers)
    assert context.extract_origin(headers)._replace(baggage={}) == origin
    assert origin.span_context is not None
    assert origin.span_context.span_id == SPAN_ID


def test_attributes_of_an_envelope_are_bounded_too() -> None:
    attribute = {"DataType": "String", "StringValue": "1"}
    many = {f"user-{number}": attribute for number in range(50_000)}
    traced = {"DataType": "String", "StringValue": VALID.decode()}
    assert carrier_of(many) is ATTRIBUTES
    assert carrier_of({"user": 1, **many}) is MAPPING
    assert span_id({"traceparent": traced, **many}) == span_id({**many, "traceparent": traced}) == SPAN_ID


def test_a_parser_of_one_value_still_raises() -> None:
    with pytest.raises(InvalidHeader, match="the trace id is all zeroes"):
        w3c.parse_traceparent(b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01")
