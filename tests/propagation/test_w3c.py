"""The grammar: what a parser takes, what it refuses and why, and what a formatter writes."""

import copy
import pickle
from collections.abc import Sequence

import pytest

from unbroken.errors import InvalidHeader
from unbroken.propagation import w3c
from unbroken.propagation.w3c import BaggageValue, ListMember, TraceParent

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
PARENT_ID = 0xB7AD6B7169203331
IDS = b"0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
VALID = b"00-" + IDS + b"-01"
OTHER = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (VALID, 1),
        (VALID.decode(), 1),
        (bytearray(VALID), 1),
        (b"\t " + VALID + b" \t", 1),
        (b"00-" + IDS + b"-ff", 3),
        (b"00-" + IDS + b"-04", 0),
        (b"01-" + IDS + b"-02", 2),
        (b"fe-" + IDS + b"-01-what the future brings\xff", 1),
        (b"cc-" + IDS + b"-01-", 1),
    ],
)
def test_a_traceparent_is_read(value: object, flags: int) -> None:
    assert w3c.parse_traceparent(value) == TraceParent(TRACE_ID, PARENT_ID, flags)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "lower-case"),
        (None, "lower-case"),
        (VALID.upper(), "lower-case"),
        (VALID[:-1], "lower-case"),
        (VALID + b"0", "lower-case"),
        (VALID.replace(b"-", b"_"), "lower-case"),
        (b"0x" + VALID[2:], "lower-case"),
        (b"01-" + IDS + b"-01.", "lower-case"),
        (VALID + b"\n", "lower-case"),
        (VALID + b"-", "ends after the flags"),
        (VALID + b"-01", "ends after the flags"),
        (b"ff-" + IDS + b"-01", "forbidden"),
        (b"00-" + b"0" * 32 + b"-" + b"2" * 16 + b"-01", "trace id"),
        (b"00-" + b"1" * 32 + b"-" + b"0" * 16 + b"-01", "parent id"),
        ("٠٠-" + "1" * 32 + "-" + "2" * 16 + "-01", "not ASCII"),
        (7, "neither bytes nor text"),
        ([VALID], "neither bytes nor text"),
    ],
)
def test_a_traceparent_is_refused_with_the_reason(value: object, reason: str) -> None:
    with pytest.raises(InvalidHeader, match=reason) as raised:
        w3c.parse_traceparent(value)
    assert (raised.value.field, raised.value.value) == ("traceparent", value)


def test_a_refusal_is_a_value_error_and_shows_a_huge_value_in_short() -> None:
    problem = InvalidHeader("baggage", b"a" * 10_000, "too long")
    assert isinstance(problem, ValueError)
    assert len(str(problem)) < 200


def test_flags_that_level_2_does_not_know_are_written_as_zero() -> None:
    assert w3c.format_traceparent(TRACE_ID, PARENT_ID, 0xFF).encode() == b"00-" + IDS + b"-03"


@pytest.mark.parametrize(
    ("values", "members"),
    [
        ([], []),
        ([b""], []),
        ([b"a=1,b=2"], [("a", "1"), ("b", "2")]),
        ([b"a=1", b"b=2"], [("a", "1"), ("b", "2")]),
        ([b" a=1 \t,, ,b=2,"], [("a", "1"), ("b", "2")]),
        ([b"a=1,b=2,a=3"], [("a", "1"), ("b", "2")]),
        ([b"0a_-*/@=x y"], [("0a_-*/@", "x y")]),
        (["a=1", bytearray(b"b=2")], [("a", "1"), ("b", "2")]),
        ([b"k" * 256 + b"=" + b"v" * 256], [("k" * 256, "v" * 256)]),
        ([b",".join(b"k%d=v" % index for index in range(32))], [(f"k{index}", "v") for index in range(32)]),
    ],
)
def test_a_tracestate_is_read(values: Sequence[object], members: list[tuple[str, str]]) -> None:
    assert w3c.parse_tracestate(values) == tuple(ListMember(*member) for member in members)


@pytest.mark.parametrize(
    "value",
    [
        b"a",
        b"=1",
        b"a=",
        b"A=1",
        b"_a=1",
        b"a =1",
        b"a=1=2",
        b"a=\x7f",
        b"a=\xe9",
        b"k" * 257 + b"=1",
        b"a=" + b"v" * 257,
        b",".join(b"k%d=v" % index for index in range(33)),
        "é=1",
        7,
    ],
)
def test_a_tracestate_that_breaks_the_grammar_is_refused_whole(value: object) -> None:
    with pytest.raises(InvalidHeader) as raised:
        w3c.parse_tracestate([b"good=1", value])
    assert raised.value.field == "tracestate"


def test_a_tracestate_that_is_too_long_first_loses_its_long_members() -> None:
    members = [ListMember("a", "1"), ListMember("long", "x" * 200), ListMember("b", "2")]
    assert w3c.format_tracestate(members, 100) == "a=1,b=2"


def test_of_several_long_members_the_last_go_first() -> None:
    members = [ListMember("first", "x" * 200), ListMember("second", "x" * 200), ListMember("b", "2")]
    assert w3c.format_tracestate(members, 300) == f"first={'x' * 200},b=2"


def test_a_tracestate_that_is_still_too_long_loses_members_from_its_end() -> None:
    members = [ListMember(f"k{index}", "v" * 100) for index in range(8)]
    assert w3c.format_tracestate(members, 512) == ",".join(f"k{index}={'v' * 100}" for index in range(4))


def test_a_tracestate_that_fits_exactly_stays_whole() -> None:
    members = [ListMember("a", "1"), ListMember("b", "2")]
    assert w3c.format_tracestate(members, 7) == "a=1,b=2"


def test_no_members_are_no_tracestate() -> None:
    assert w3c.format_tracestate([]) == ""


@pytest.mark.parametrize(
    ("values", "members"),
    [
        ([b"user=alice"], {"user": ("alice", "")}),
        ([b" user\t= alice ; ttl=60 ; hop "], {"user": ("alice", "ttl=60 ; hop")}),
        ([b"a=1,b=2", b"c=3"], {"a": ("1", ""), "b": ("2", ""), "c": ("3", "")}),
        ([b"a=1,a=2"], {"a": ("2", "")}),
        ([b"a="], {"a": ("", "")}),
        ([b"a=b=c"], {"a": ("b=c", "")}),
        ([b"a=1+1"], {"a": ("1+1", "")}),
        ([b"a=Ana%20Mar%C3%ADa"], {"a": ("Ana María", "")}),
        ([b"a=%C3"], {"a": ("�", "")}),
        ([b"a=100%"], {"a": ("100%", "")}),
        ([b"na%C3%AFve=1"], {"naïve": ("1", "")}),
        ([b",,a=1,,"], {"a": ("1", "")}),
        ([None], {}),
    ],
)
def test_baggage_is_read(values: Sequence[object], members: dict[str, tuple[str, str]]) -> None:
    found, problem = w3c.parse_baggage(values)
    assert {name: (str(value), value.properties) for name, value in found.items()} == members
    assert problem is None


@pytest.mark.parametrize(
    "bad", [b"bad", b"=1", b"a b=1", b'a="1"', b"a=1 2", b"a=\xe9", b"a=1;", b"a=1;b c", b"a=1;=2"]
)
def test_a_baggage_member_that_breaks_the_grammar_is_left_out_alone(bad: bytes) -> None:
    found, problem = w3c.parse_baggage([b"first=1," + bad + b",last=2"])
    assert found == {"first": "1", "last": "2"}
    assert problem is not None
    assert (problem.field, problem.number) == ("baggage", 1)


def test_a_baggage_header_that_is_no_text_does_not_hide_the_next() -> None:
    found, problem = w3c.parse_baggage([7, "é=1", b"a=1"])
    assert found == {"a": "1"}
    assert problem is not None
    assert (problem.first.reason, problem.number) == ("neither bytes nor text", 2)


def test_the_first_64_baggage_members_count() -> None:
    found, problem = w3c.parse_baggage([b",".join(b"k%d=v" % index for index in range(65))])
    assert list(found) == [f"k{index}" for index in range(64)]
    assert problem is not None
    assert problem.number == 1


def test_the_first_8192_bytes_of_baggage_over_all_headers_count() -> None:
    found, problem = w3c.parse_baggage([b"a=" + b"x" * 4000, b"b=" + b"x" * 4187, b"c=1"])
    assert list(found) == ["a", "b"]
    assert problem is not None
    assert problem.number == 1


def test_baggage_of_8192_bytes_is_whole() -> None:
    found, problem = w3c.parse_baggage([b"a=" + b"x" * 8190])
    assert list(found) == ["a"]
    assert problem is None


@pytest.mark.parametrize(
    ("members", "header"),
    [
        ({}, ""),
        ({"a": "1", "b": 2}, "a=1,b=2"),
        ({"": "no name"}, ""),
        ({"a": "1+1"}, "a=1%2B1"),
        ({"a": "100%"}, "a=100%25"),
        ({"a": 'x,y;"\\ z'}, "a=x%2Cy%3B%22%5C%20z"),
        ({"a b": "1"}, "a%20b=1"),
        ({"é": "ü"}, "%C3%A9=%C3%BC"),
        ({"a": "\ud800"}, "a=?"),
        ({"a": BaggageValue("1", "ttl=60;hop")}, "a=1;ttl=60;hop"),
        ({"a": BaggageValue("1", "no property")}, "a=1"),
        ({"a": BaggageValue("1", "b=2,c=3")}, "a=1"),
    ],
)
def test_baggage_is_written(members: dict[str, object], header: str) -> None:
    assert w3c.format_baggage(members) == header


def test_64_baggage_members_are_written() -> None:
    assert w3c.format_baggage({f"k{index}": "v" for index in range(100)}).count(",") == 63


def test_a_baggage_member_that_does_not_fit_is_left_out_whole() -> None:
    assert w3c.format_baggage({"a": "x" * 8000, "big": "x" * 200, "b": "1"}) == f"a={'x' * 8000},b=1"


def test_a_baggage_value_survives_copy_and_pickle_with_its_properties() -> None:
    value = BaggageValue("gold", "ttl=60")
    copies = [copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert [(str(each), each.properties) for each in copies] == [("gold", "ttl=60")] * 3


def test_names_match_whatever_their_case_and_type() -> None:
    carried = w3c.read([("TraceParent", VALID), (b"TRACESTATE", b"a=1"), (bytearray(b"Baggage"), b"b=2")])
    assert (carried.parent, carried.tracestate, carried.baggage) == (
        TraceParent(TRACE_ID, PARENT_ID, 1),
        (ListMember("a", "1"),),
        {"b": "2"},
    )


def test_the_last_of_different_parents_counts_and_the_others_are_kept() -> None:
    carried = w3c.read([("traceparent", OTHER), ("traceparent", VALID)])
    assert carried.parent == w3c.parse_traceparent(VALID)
    assert carried.others == (w3c.parse_traceparent(OTHER),)


def test_identical_parents_are_one_and_stand_where_the_last_stands() -> None:
    carried = w3c.read([("traceparent", VALID), ("traceparent", OTHER), ("traceparent", VALID)])
    assert carried.parent == w3c.parse_traceparent(VALID)
    assert carried.others == (w3c.parse_traceparent(OTHER),)


def test_of_very_many_parents_the_newest_are_kept_as_links() -> None:
    parents = [w3c.format_traceparent(7, number, 1).encode() for number in range(1, 1001)]
    carried = w3c.read([("traceparent", parent) for parent in parents])
    assert carried.parent == w3c.TraceParent(7, 1000, 1)
    assert [other.parent_id for other in carried.others] == list(range(1001 - w3c.MAX_TRACEPARENTS, 1000))


def test_different_parents_restart_the_trace_when_asked() -> None:
    carried = w3c.read([("traceparent", OTHER), ("traceparent", VALID)], "restart")
    assert (carried.parent, carried.others) == (None, ())
    assert [problem.first.reason for problem in carried.problems] == ["several different values"]


def test_a_malformed_parent_takes_no_part_in_the_choice() -> None:
    carried = w3c.read([("traceparent", VALID), ("traceparent", b"broken")], "restart")
    assert carried.parent == w3c.parse_traceparent(VALID)
    assert len(carried.problems) == 1


def test_cloudevents_count_where_there_is_no_parent() -> None:
    carried = w3c.read([("ce_traceparent", VALID), ("ce_tracestate", b"a=1"), ("tracestate", b"b=2")])
    assert carried.parent == w3c.parse_traceparent(VALID)
    assert carried.tracestate == (ListMember("a", "1"),)


def test_cloudevents_do_not_count_beside_a_parent() -> None:
    carried = w3c.read([("ce_traceparent", OTHER), ("traceparent", VALID)])
    assert carried.parent == w3c.parse_traceparent(VALID)
    assert carried.others == ()


def test_a_tracestate_without_a_parent_is_dropped() -> None:
    assert w3c.read([("tracestate", b"a=1")]) == w3c.Carried(None, (), (), {}, ())


def test_a_bad_tracestate_never_hurts_the_parent() -> None:
    carried = w3c.read([("traceparent", VALID), ("tracestate", b"BAD")])
    assert carried.parent is not None
    assert [problem.field for problem in carried.problems] == ["tracestate"]


@pytest.mark.parametrize("pair", [None, 7, (), ("traceparent",), ("traceparent", VALID, 1), (7, VALID), (None, VALID)])
def test_what_is_no_pair_of_name_and_value_is_passed_over(pair: object) -> None:
    assert w3c.read([pair, ("traceparent", VALID)]).parent == w3c.parse_traceparent(VALID)


@pytest.mark.parametrize("start", [b"a=", b"a=1;b=", b"a", b"a=1;b", b"a=1"])
@pytest.mark.parametrize("end", [b'"', b"1", b""])
def test_white_space_does_not_stop_a_consumer(start: bytes, end: bytes) -> None:
    members, _ = w3c.parse_baggage([start + b" " * 2_000_000 + end])  # with quadratic time it would take hours
    assert len(members) <= 1


def test_a_tracestate_of_a_mebibyte_is_refused_like_any_of_more_than_32_members() -> None:
    header = ",".join(f"k{number}=v" for number in range(130_000)).encode()
    assert w3c.well_formed_tracestate(header) is None
    with pytest.raises(InvalidHeader, match="more than 32 members"):
        w3c.parse_tracestate([header])
