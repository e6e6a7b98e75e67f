"""Spans as the stores give them back, and the text of their trees."""

import base64
from typing import Any

import pytest

from interop.spans import Span, placed, read, shape

TRACE = "a1d8c5f0e3b24796b0c1d2e3f4a59687"


def span(name: str, parent: str | None = None, *links: str, start: int = 0, is_failed: bool = False) -> Span:
    """A span whose id is its name."""
    linked = tuple((TRACE, link) for link in links)
    return Span(TRACE, name, parent, name, "INTERNAL", "shop", start, start + 1, is_failed, linked)


def test_a_child_stands_below_its_parent_and_siblings_in_the_order_of_their_text() -> None:
    spans = [span("root"), span("b", "root", start=1), span("a", "root", start=2), span("below b", "b", start=3)]
    assert shape(spans) == ("shop: root INTERNAL\n  shop: a INTERNAL\n  shop: b INTERNAL\n    shop: below b INTERNAL")


def test_a_span_whose_parent_is_missing_is_an_orphan() -> None:
    assert shape([span("a", "nobody")]) == "shop: a INTERNAL (orphan)"


def test_a_link_is_called_by_the_name_of_its_span_wherever_that_is() -> None:
    assert shape([span("a", None, "poll", "gone")], known=[span("poll")]) == "shop: a INTERNAL -> ?, poll"


def test_a_failed_span_says_so() -> None:
    assert shape([span("a", is_failed=True)]) == "shop: a INTERNAL failed"


def test_siblings_are_placed_in_the_order_of_their_start() -> None:
    spans = [span("root"), span("late", "root", start=2), span("early", "root", start=1)]
    assert [each.span.name for each in placed(spans)] == ["root", "early", "late"]


@pytest.mark.parametrize("is_base64", [False, True])
def test_ids_and_kinds_are_read_as_either_store_writes_them(is_base64: bool) -> None:
    def written(digits: str) -> str:
        return base64.b64encode(bytes.fromhex(digits)).decode() if is_base64 else digits

    found: dict[str, Any] = {
        "traceId": written(TRACE),
        "spanId": written("3c7e19ab5d02f468"),
        "parentSpanId": written("91b5d3f7082a4c6e"),
        "name": "send orders-1234",
        "kind": "SPAN_KIND_PRODUCER" if is_base64 else 4,
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "status": {"code": "STATUS_CODE_ERROR" if is_base64 else 2},
        "links": [{"traceId": written(TRACE), "spanId": written("5e90d1c2b3a4f687")}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    assert read([{"resource": resource, "scopeSpans": [{"spans": [found]}]}], "-1234") == (
        Span(
            trace_id=TRACE,
            span_id="3c7e19ab5d02f468",
            parent_id="91b5d3f7082a4c6e",
            name="send orders",
            kind="PRODUCER",
            service="shop",
            start=1,
            end=2,
            is_failed=True,
            links=((TRACE, "5e90d1c2b3a4f687"),),
        ),
    )
