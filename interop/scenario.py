"""One scenario, which every language has to do in the same way: the commands for a probe, and what it told, as text."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from interop.program import Program

FOREIGN = "00-a1d8c5f0e3b24796b0c1d2e3f4a59687-3c7e19ab5d02f468"
_BAGGAGE = "stadt=Z%C3%BCrich"


def play(probe: Program, suffix: str) -> None:
    """Let a probe play the scenario, on topics that end with `suffix`."""

    def topic(name: str) -> str:
        return f"{name}{suffix}"

    def produce(name: str, *records: Mapping[str, Any], span: str | None = "checkout") -> None:
        probe.asked({"do": "produce", "topic": topic(name), "context": None, "span": span, "records": records})

    def raw(name: str, *records: Mapping[str, Any]) -> None:
        probe.asked({"do": "raw", "topic": topic(name), "records": records})

    def consume(name: str, count: int, then: str = "ok", *, to: str | None = None, is_batch: bool = False) -> None:
        command = {"do": "consume", "topic": topic(name), "count": count, "group": topic(f"group-{name}")}
        probe.asked({**command, "then": then, "to": to and topic(to), "is_batch": is_batch})

    produce("ok", record("order 1"))
    consume("ok", 1)
    produce("failing", record("order 2"))
    consume("failing", 1, "fail")
    produce("deleted", record(None, key="order-3"))
    consume("deleted", 1)
    produce("batch", record("order 4"), record("order 5"), record("order 6", key=None))
    consume("batch", 3, is_batch=True)
    produce("poison", record("order 7", headers=[["own", "ü"]]))
    consume("poison", 1, "forward", to="dead")
    consume("dead", 1)
    produce("alone", record("order 8"), span=None)
    consume("alone", 1)
    raw("foreign", record("order 9", headers=[["traceparent", f"{FOREIGN}-01"], ["tracestate", "a=1"]]))
    consume("foreign", 1)
    raw("unsampled", record("order 10", headers=[["traceparent", f"{FOREIGN}-00"], ["baggage", _BAGGAGE]]))
    consume("unsampled", 1)
    raw("malformed", record("order 11", headers=[["traceparent", "00-zz"], ["baggage", "a=1,=,b=2"]]))
    consume("malformed", 1)
    raw("several", record("order 12", headers=[["traceparent", f"{FOREIGN}-01"], ["Traceparent", other(FOREIGN)]]))
    consume("several", 1)


def record(value: str | None, *, key: str | None = "k", headers: Iterable[list[str]] = ()) -> dict[str, Any]:
    """Return a record of a command."""
    return {"key": key, "value": value, "headers": list(headers)}


def other(traceparent: str) -> str:
    """Return the same trace with another sender."""
    return f"{traceparent[:36]}91b5d3f7082a4c6e-01"


def spans_as_text(scope_spans: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return the spans of one run as text that has to be the same in every language.

    A block for each tree. Ids are left out: a link is called by the name of the span that it leads to, or by its id
    where that is none of these spans; those are in the headers that the scenario writes itself.

    Args:
        scope_spans: what the collector has of one service, ids in base64.
        names: what stands for what differs from run to run: texts that are replaced in names and values.
    """
    spans = [(scope, span) for scope in scope_spans for span in scope["spans"]]
    known = {span["spanId"]: span["name"] for _, span in spans}
    children: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = defaultdict(list)
    for scope, span in spans:
        parent = span.get("parentSpanId", "")
        children[parent if parent in known else ""].append((scope, span))

    def block(scope: Mapping[str, Any], span: Mapping[str, Any], depth: int) -> list[str]:
        lines = [f"{'  ' * depth}{line}" for line in _span(scope, span, known)]
        below = sorted(block(each, child, depth + 1) for each, child in children[span["spanId"]])
        return [*lines, *(line for lines in below for line in lines)]

    blocks = sorted(block(scope, span, 0) for scope, span in children[""])
    return _replaced("\n\n".join("\n".join(lines) for lines in blocks), names)


def metrics_as_text(scope_metrics: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return the metrics of one run as text: everything but times and the values of durations."""
    lines = []
    for scope in scope_metrics:
        if scope["scope"]["name"] != "unbroken":
            continue
        for metric in scope["metrics"]:
            kind = next(name for name in ("sum", "histogram", "gauge") if name in metric)
            data = metric[kind]
            what = {
                "unit": metric.get("unit"),
                "description": metric.get("description"),
                "kind": kind,
                "temporality": data.get("aggregationTemporality"),
                "monotonic": data.get("isMonotonic"),
                "schema": scope.get("schemaUrl"),
            }
            lines.append(f"{metric['name']} {json.dumps(what, sort_keys=True)}")
            lines += sorted(f"  {_point(point)}" for point in data["dataPoints"])
    blocks: list[list[str]] = []
    for line in lines:
        if line.startswith("  "):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return _replaced("\n".join("\n".join(block) for block in sorted(blocks)), names)


def _span(scope: Mapping[str, Any], span: Mapping[str, Any], known: Mapping[str, str]) -> list[str]:
    status = span.get("status", {})
    links = sorted(f"{_called(each, 'spanId', known)} {_attributes(each)}" for each in span.get("links", ()))
    # The SDK of Python adds `exception.escaped`, which the conventions have given up.
    events = [
        f"{each['name']} {sorted(_values(each).keys() - {'exception.escaped'})}" for each in span.get("events", ())
    ]
    return [
        f"{span['name']} {span['kind'].removeprefix('SPAN_KIND_')}",
        f"  scope: {scope['scope']['name']} {scope.get('schemaUrl', '')}",
        f"  parent: {_called(span, 'parentSpanId', known) if span.get('parentSpanId') else 'none'}",
        f"  tracestate: {span.get('traceState', '')}",
        f"  status: {status.get('code', 'STATUS_CODE_UNSET')} {status.get('message', '')}",
        f"  attributes: {_attributes(span)}",
        *(f"  link: {each}" for each in links),
        *(f"  event: {each}" for each in events),
    ]


def _called(holder: Mapping[str, Any], field: str, known: Mapping[str, str]) -> str:
    trace_id, span_id = (base64.b64decode(holder[name]).hex() for name in ("traceId", field))
    return known.get(holder[field]) or f"{trace_id}-{span_id}"


def _point(point: Mapping[str, Any]) -> str:
    counted = point.get("asInt", point.get("asDouble", point.get("count")))
    return f"{_attributes(point)} {counted} {point.get('explicitBounds', '')}"


def _attributes(holder: Mapping[str, Any]) -> str:
    return json.dumps(_values(holder), sort_keys=True, ensure_ascii=False)


def _values(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in holder.get("attributes", ())}


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for found, stands in names.items():
        text = text.replace(found, stands)
    return text
