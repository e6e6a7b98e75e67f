"""Spans as a backend gives them back, and the trees that they make."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""The kinds of OTLP, at the place of their number."""
_ERROR = ("STATUS_CODE_ERROR", 2)


@dataclass(frozen=True, slots=True)
class Span:
    """One span: ids in hexadecimal, times in nanoseconds since the epoch, links as pairs of trace id and span id."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start: int
    end: int
    is_failed: bool
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A span in its tree: how deep below the root, the name of its parent, and the names of the spans that it links."""

    span: Span
    depth: int
    parent: str | None
    linked: tuple[str, ...]


def read(resource_spans: Iterable[Mapping[str, Any]], without: str = "") -> tuple[Span, ...]:
    """Return the spans of OTLP in JSON, each once; `without` is cut from their names.

    Ids may be hexadecimal, as OTLP asks for, or base64, as a protobuf library writes them; kinds and codes may be
    numbers or names.
    """
    found = {}
    for resource in resource_spans:
        service = _attribute(resource["resource"], "service.name")
        for scope in resource.get("scopeSpans", ()):
            for span in scope["spans"]:
                read_one = _span(span, service, without)
                found[read_one.span_id] = read_one
    return tuple(sorted(found.values(), key=_order))


def placed(spans: Sequence[Span], known: Iterable[Span] = ()) -> Iterator[Placed]:
    """Yield every span below its parent, siblings in the order of their start.

    Args:
        spans: one trace, or several.
        known: further spans that links may lead to. A link that leads nowhere is called `?`.
    """
    names = {(span.trace_id, span.span_id): span.name for span in (*known, *spans)}
    ids = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=_order):
        children[span.parent_id if span.parent_id in ids else None].append(span)

    def below(parent: Span | None, depth: int) -> Iterator[Placed]:
        for span in children[parent.span_id if parent is not None else None]:
            linked = tuple(sorted(names.get(link, "?") for link in span.links))
            yield Placed(span, depth, parent.name if parent is not None else None, linked)
            yield from below(span, depth + 1)

    return below(None, 0)


def shape(spans: Sequence[Span], known: Iterable[Span] = ()) -> str:
    """Return one trace as text that is the same in every run: a line for each span, indented below its parent.

    A span whose parent is not there stands at the margin, with `(orphan)`. Siblings are in the order of their text.
    """
    blocks: list[tuple[int, list[str]]] = []  # the blocks that are not complete yet, each with its depth
    done: list[tuple[int, str]] = [(each.depth, _line(each)) for each in placed(spans, known)]
    for depth, line in reversed(done):
        below = []
        while blocks and blocks[-1][0] > depth:
            below.append(blocks.pop()[1])
        blocks.append((depth, [line, *(text for block in sorted(below) for text in block)]))
    return "\n".join(line for block in sorted(lines for _, lines in blocks) for line in block)


def _order(span: Span) -> tuple[int, str]:
    return span.start, span.span_id  # times of Node have milliseconds, so that two spans often share one


def _line(each: Placed) -> str:
    span = each.span
    orphan = " (orphan)" if each.depth == 0 and span.parent_id is not None else ""
    failed = " failed" if span.is_failed else ""
    links = f" -> {', '.join(each.linked)}" if each.linked else ""
    return f"{'  ' * each.depth}{span.service}: {span.name} {span.kind}{failed}{links}{orphan}"


def _span(span: Mapping[str, Any], service: str, without: str) -> Span:
    name: str = span["name"]
    return Span(
        trace_id=_hex(span["traceId"], 32),
        span_id=_hex(span["spanId"], 16),
        parent_id=_hex(span["parentSpanId"], 16) if span.get("parentSpanId") else None,
        name=name.replace(without, "") if without else name,
        kind=_kind(span.get("kind", 0)),
        service=service,
        start=int(span["startTimeUnixNano"]),
        end=int(span["endTimeUnixNano"]),
        is_failed=span.get("status", {}).get("code") in _ERROR,
        links=tuple((_hex(link["traceId"], 32), _hex(link["spanId"], 16)) for link in span.get("links", ())),
    )


def _hex(text: str, digits: int) -> str:
    return text if len(text) == digits else base64.b64decode(text).hex()


def _kind(kind: int | str) -> str:
    return KINDS[kind] if isinstance(kind, int) else kind.removeprefix("SPAN_KIND_")


def _attribute(holder: Mapping[str, Any], name: str) -> str:
    return next(str(each["value"]["stringValue"]) for each in holder["attributes"] if each["key"] == name)
