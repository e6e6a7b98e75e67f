"""`forward`: the user's headers as they were, one context, and where the message comes from."""

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3SingleFormat

from tests.messaging.telemetry import OTHER, TRACED, TRACEPARENT, Finished, creation, here, ids, message
from unbroken import attached, extract, forward, process
from unbroken.errors import UnknownMessage
from unbroken.propagation import propagators

USER = [("user", b"\xff"), ("null", None), ("user", b"2")]


def named(headers: Any) -> dict[str, bytes]:
    return {name: value for name, value in headers if name.startswith("unbroken-")}


def test_the_headers_of_the_user_stay_as_they_were(finished: Finished) -> None:
    headers = forward(message([USER[0], *TRACED, *USER[1:]]))
    assert headers[:3] == USER


def test_one_context_is_that_of_the_current_span(finished: Finished) -> None:
    one = message()
    with process(one) as span:
        headers = forward(one)
    assert ids(here(extract(headers))) == ids(span.get_span_context())
    assert [name for name, _ in headers].count("traceparent") == 1


def test_outside_its_block_a_message_carries_its_own_context_on(finished: Finished) -> None:
    with attached(extract([("traceparent", OTHER)])):
        headers = forward(message([*TRACED, ("tracestate", b"a=1"), ("baggage", b"b=2")]))
    assert headers[:3] == [*TRACED, ("tracestate", b"a=1"), ("baggage", b"b=2")]


def test_in_the_block_of_another_message_it_carries_its_own_context_on(finished: Finished) -> None:
    with process(message([("traceparent", OTHER)])):
        headers = forward(message())
    assert dict(headers)["traceparent"] == TRACEPARENT


def test_a_message_without_a_context_carries_none_on(finished: Finished) -> None:
    with attached(extract(list(TRACED))):
        headers = forward(message(None))
    assert headers == [("unbroken-source", b"orders/3/7"), ("unbroken-attempt", b"1")]


def test_where_the_message_comes_from_is_in_named_headers() -> None:
    assert named(forward(message(), error=ValueError("no"))) == {
        "unbroken-origin": TRACEPARENT,
        "unbroken-source": b"orders/3/7",
        "unbroken-attempt": b"1",
        "unbroken-error": b"ValueError: no",
    }


def test_the_first_origin_stays_and_the_attempts_are_counted(finished: Finished) -> None:
    headers = None
    for attempt in (1, 2, 3):
        one = message(headers or TRACED, offset=attempt)
        with process(one):
            headers = forward(one)
        assert named(headers) == {
            "unbroken-origin": TRACEPARENT,
            "unbroken-source": b"orders/3/%d" % attempt,
            "unbroken-attempt": b"%d" % attempt,
        }
    assert len(headers or ()) == 4
    assert {span.context.trace_id for span in finished() if span.context} == {creation().trace_id}


def test_an_error_of_an_earlier_hop_does_not_stay() -> None:
    headers = forward(message(forward(message(), error=ValueError("no"))))
    assert "unbroken-error" not in named(headers)


@pytest.mark.parametrize("name", ["unbroken-attempt", "Unbroken-Attempt"])
def test_our_headers_are_read_and_replaced_whatever_their_case(name: str) -> None:
    headers = forward(message([(name, b"4")]))
    assert [value for key, value in headers if key.lower() == "unbroken-attempt"] == [b"5"]


@pytest.mark.parametrize("count", [b"", b"x", b"-1", b"1.5", "٣".encode(), b"9" * 10, None, b"\xff", b" 1"])
def test_attempts_that_are_no_count_begin_anew(count: bytes | None) -> None:
    assert named(forward(message([("unbroken-attempt", count)])))["unbroken-attempt"] == b"1"


def test_of_several_attempts_the_last_counts_and_of_several_origins_the_first() -> None:
    headers = [
        ("unbroken-origin", OTHER),
        ("unbroken-attempt", b"1"),
        ("unbroken-origin", TRACEPARENT),
        ("unbroken-attempt", b"2"),
    ]
    found = named(forward(message(headers)))
    assert (found["unbroken-origin"], found["unbroken-attempt"]) == (OTHER, b"3")


@pytest.mark.parametrize("origin", [b"", b"broken", None, TRACEPARENT.upper()])
def test_an_origin_that_is_malformed_is_replaced(origin: bytes | None) -> None:
    found = named(forward(message([("unbroken-origin", origin), *TRACED])))
    assert found["unbroken-origin"] == TRACEPARENT


class Poison(Exception):
    pass


def test_an_error_is_told_by_its_qualified_name() -> None:
    assert named(forward(message(), error=Poison("no")))["unbroken-error"] == f"{__name__}.Poison: no".encode()


@pytest.mark.parametrize("text", ["é" * 2000, "x" * 1013 + "é", "\ud800", "\x00\n"])
def test_an_error_is_at_most_1024_bytes_of_utf_8(text: str) -> None:
    value = named(forward(message(), error=ValueError(text)))["unbroken-error"]
    assert len(value) <= 1024
    assert value.decode().startswith("ValueError: ")


def test_an_error_without_text_is_its_name() -> None:
    class WithoutText(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert named(forward(message(), error=WithoutText()))["unbroken-error"].endswith(b"WithoutText")


def test_a_foreign_propagator_writes_its_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagators, "get_global_textmap", B3SingleFormat)
    monkeypatch.setattr("unbroken.propagation.context.get_global_textmap", B3SingleFormat)
    headers = dict(forward(message([("b3", b"%032x-%016x-1" % (5, 6)), *USER])))
    assert headers["b3"] == b"%032x-%016x-1" % (5, 6)
    assert headers["unbroken-origin"] == b"00-%032x-%016x-01" % (5, 6)


@pytest.mark.parametrize("foreign", [None, 7, [("a", b"1")]])
def test_what_is_no_message_is_a_mistake_of_the_program(foreign: object) -> None:
    with pytest.raises(UnknownMessage):
        forward(foreign)


def test_what_cannot_be_told_costs_no_header_of_the_user(alter: Callable[..., None]) -> None:
    one = message([*USER, *TRACED])

    def raising(_: object) -> str:
        raise RuntimeError("broken")

    alter(one, source=raising)
    assert forward(one) == [*USER, *TRACED]


def test_forwarding_leaves_the_message_and_the_context_as_they_were(finished: Finished) -> None:
    headers: list[Any] = [*USER, *TRACED]
    one, before = message(headers), Context()
    forward(one)
    assert before == Context()
    given: Callable[[], Any] | Any = one.headers
    assert (given() if callable(given) else given) == headers


def test_our_headers_named_by_bytes_are_read_as_they_are_replaced() -> None:
    one = message([(b"unbroken-attempt", b"4"), (b"Unbroken-Origin", OTHER)])  # type: ignore[list-item]
    headers = forward(one)
    assert headers == [("unbroken-origin", OTHER), ("unbroken-source", b"orders/3/7"), ("unbroken-attempt", b"5")]
