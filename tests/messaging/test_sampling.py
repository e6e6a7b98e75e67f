"""Samplers see what they should; where the sampler is known to drop, the short cut says what the SDK would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceFlags, TraceState

from tests.messaging.conftest import UseProvider
from tests.messaging.telemetry import OTHER, TRACED, TRACEPARENT, UNSAMPLED, creation, here, ids, message
from unbroken import attached, extract, inject, process, send

STATE = ("tracestate", b"0a=1,b=2")


class Recording(Sampler):
    """A sampler that keeps what it was asked."""

    def __init__(self, decision: Decision = Decision.RECORD_AND_SAMPLE) -> None:
        self.decision = decision
        self.asked: list[dict[str, Any]] = []

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        self.asked.append({"context": parent_context, "name": name, "attributes": dict(attributes), "links": links})
        return SamplingResult(self.decision, {"sampler": "asked"}, TraceState([("sampler", "1")]))

    def get_description(self) -> str:
        return "Recording"


class CustomParentBased(ParentBased):
    """A sampler of the application that decides by itself although it is a ParentBased."""

    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_AND_SAMPLE)


def test_a_sampler_sees_name_attributes_and_links(use_provider: UseProvider) -> None:
    use_provider(sampler=(sampler := Recording()))
    with attached(extract([("traceparent", OTHER)])), process(message(), attributes={"tenant": "a"}):
        pass
    (asked,) = sampler.asked
    assert asked["name"] == "process orders"
    assert (
        asked["attributes"].items()
        >= {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "orders",
            "messaging.destination.partition.id": "3",
            "tenant": "a",
        }.items()
    )
    assert [ids(link.context) for link in asked["links"]] == [ids(creation()), ids(creation([("traceparent", OTHER)]))]
    assert ids(here(asked["context"])) == ids(creation())


def test_a_sampler_sees_the_attributes_of_a_send(use_provider: UseProvider) -> None:
    use_provider(sampler=(sampler := Recording()))
    with send("orders", attributes={"tenant": "a"}):
        pass
    (asked,) = sampler.asked
    assert asked["attributes"] == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "orders",
        "tenant": "a",
    }


def test_what_a_sampler_adds_is_on_the_span_and_on_the_wire(
    use_provider: UseProvider, exporter: InMemorySpanExporter
) -> None:
    use_provider(sampler=Recording())
    with process(message()):
        assert dict(inject())["tracestate"] == b"sampler=1"
    assert exporter.get_finished_spans()[0].attributes == {"sampler": "asked"}


@pytest.mark.parametrize("decision", [Decision.DROP, Decision.RECORD_ONLY])
@pytest.mark.parametrize("traceparent", [TRACEPARENT, UNSAMPLED])
def test_a_sampler_of_the_application_is_always_asked(
    decision: Decision, traceparent: bytes, use_provider: UseProvider
) -> None:
    use_provider(sampler=(sampler := Recording(decision)))
    headers = [("traceparent", traceparent)]
    with process(message(headers)), send("orders"):
        assert not here().trace_flags.sampled
    assert len(sampler.asked) == 2


@pytest.mark.parametrize("branch", ["remote_parent_not_sampled", "remote_parent_sampled"])
def test_a_branch_of_the_application_is_always_asked(branch: str, use_provider: UseProvider) -> None:
    branches: dict[str, Sampler] = {branch: (sampler := Recording())}
    use_provider(sampler=ParentBased(ALWAYS_OFF, **branches))
    with process(message([("traceparent", UNSAMPLED)])), process(message()):
        pass
    assert len(sampler.asked) == 1


def test_a_subclass_that_decides_by_itself_is_asked(use_provider: UseProvider) -> None:
    use_provider(sampler=CustomParentBased(ALWAYS_OFF))
    with process(message([("traceparent", UNSAMPLED)])) as span:
        assert span.is_recording()


SAMPLERS = {
    "always off": ALWAYS_OFF,
    "always on": ALWAYS_ON,
    "a drop of its own": StaticSampler(Decision.DROP),
    "ratio 0": TraceIdRatioBased(0),
    "parent based, on": ParentBased(ALWAYS_ON),
    "parent based, off": ParentBased(ALWAYS_OFF),
    "parent based ratio": ParentBasedTraceIdRatio(0.5),
    "parent based, all off": ParentBased(ALWAYS_OFF, ALWAYS_OFF, ALWAYS_OFF, ALWAYS_OFF, ALWAYS_OFF),
    "parent based, remote off": ParentBased(ALWAYS_ON, remote_parent_sampled=ALWAYS_OFF),
    "parent based, remote on": ParentBased(ALWAYS_OFF, remote_parent_not_sampled=ALWAYS_ON),
    "parent based, local off": ParentBased(ALWAYS_ON, local_parent_sampled=ALWAYS_OFF),
    "parent based, local on": ParentBased(ALWAYS_OFF, local_parent_not_sampled=ALWAYS_ON),
}


@pytest.fixture(params=SAMPLERS)
def sampler(request: pytest.FixtureRequest, use_provider: UseProvider) -> None:
    use_provider(sampler=SAMPLERS[request.param])


def shown(span: trace.Span) -> tuple[object, ...]:
    """Everything of a span context except its fresh id."""
    found = span.get_span_context()
    flags = found.trace_flags if hasattr(TraceFlags, "RANDOM_TRACE_ID") else found.trace_flags & 1  # older SDKs drop it
    return found.trace_id, found.is_remote, flags, found.trace_state.to_header(), span.is_recording()


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
@pytest.mark.parametrize("state", [(), (STATE,)])
def test_a_message_has_the_span_context_that_the_sdk_would_make(sampler: None, flags: str, state: Any) -> None:
    headers = [("traceparent", TRACEPARENT[:-2] + flags.encode()), *state]
    expected = trace.get_tracer("test").start_span("x", extract(headers))
    with process(message(headers)) as span:
        assert shown(span) == shown(expected)
        assert span.get_span_context().span_id not in {0, creation().span_id}
    expected.end()


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_send_has_the_span_context_that_the_sdk_would_make(sampler: None, flags: str) -> None:
    local = trace.get_tracer("test").start_span("x", extract([("traceparent", TRACEPARENT[:-2] + flags.encode())]))
    context = trace.set_span_in_context(local)
    expected = trace.get_tracer("test").start_span("x", context)
    with attached(context), send("orders") as sending:
        assert shown(sending.span) == shown(expected)
    expected.end()
    local.end()


def test_each_unsampled_message_has_a_span_id_of_its_own(use_provider: UseProvider) -> None:
    use_provider(sampler=ALWAYS_OFF)
    found = set()
    for _ in range(3):
        with process(message(TRACED)):
            found.add(here().span_id)
    assert len(found) == 3


def test_an_unsampled_root_is_unsampled_in_all_that_it_sends(use_provider: UseProvider) -> None:
    use_provider(sampler=ALWAYS_OFF)
    with process(message(None)):
        (traceparent,) = inject()
    assert traceparent[1].endswith((b"-00", b"-02"))


@pytest.mark.parametrize("make", [lambda: ParentBased(ALWAYS_ON), lambda: ParentBasedTraceIdRatio(1)])
def test_the_usual_samplers_are_not_asked_about_a_child_of_an_unsampled_message(
    make: Any, use_provider: UseProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = use_provider(sampler=make())
    monkeypatch.setattr(type(provider.get_tracer("x")), "start_span", lambda *_, **__: pytest.fail("asked"))
    with process(message([("traceparent", UNSAMPLED)])):
        assert here().trace_id == creation().trace_id
