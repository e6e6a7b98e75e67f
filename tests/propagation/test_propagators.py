"""Another global propagator than W3C is used as it is, through our carriers: the real packages, both ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import INVALID_SPAN, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from unbroken import extract, inject
from unbroken.propagation import context as propagation
from unbroken.propagation import propagators

SetPropagator = Callable[[TextMapPropagator], None]

TRACE_ID, SPAN_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
TRACEPARENT = b"00-%032x-%016x-01" % (TRACE_ID, SPAN_ID)

FOREIGN: dict[str, tuple[Callable[[], TextMapPropagator], list[tuple[str, bytes]]]] = {
    "b3 single": (B3SingleFormat, [("b3", b"%032x-%016x-1" % (TRACE_ID, SPAN_ID))]),
    "b3 multi": (
        B3MultiFormat,
        [("x-b3-traceid", b"%032x" % TRACE_ID), ("x-b3-spanid", b"%016x" % SPAN_ID), ("x-b3-sampled", b"1")],
    ),
    "jaeger": (JaegerPropagator, [("uber-trace-id", b"%032x:%016x:0000000000000000:03" % (TRACE_ID, SPAN_ID))]),
    "aws x-ray": (
        AwsXRayPropagator,
        [("x-amzn-trace-id", b"Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1")],
    ),
}


@pytest.fixture
def current() -> Context:
    """A context with a trace and baggage, read while the propagator is W3C."""
    return extract([("traceparent", TRACEPARENT), ("baggage", b"user=alice")])


@pytest.fixture(params=FOREIGN)
def headers(request: pytest.FixtureRequest, set_propagator: SetPropagator, current: Context) -> list[tuple[str, bytes]]:
    """What a foreign propagator writes for a trace; it is the global one."""
    make, fields = FOREIGN[request.param]
    set_propagator(make())
    return fields


def ids(context: Context) -> tuple[int, int, bool]:
    span_context = get_current_span(context).get_span_context()
    return span_context.trace_id, span_context.span_id, span_context.is_remote


def lower(headers: Any) -> dict[str, bytes]:
    return {name.lower(): value for name, value in headers}


@pytest.mark.parametrize("change", [str, str.upper, str.title])
def test_a_foreign_propagator_reads_our_carriers(headers: Any, change: Callable[[str], str]) -> None:
    assert ids(extract([("user", b"\xff"), *((change(name), value) for name, value in headers)])) == (
        TRACE_ID,
        SPAN_ID,
        True,
    )


@pytest.mark.parametrize("shape", [tuple, dict])
def test_a_foreign_propagator_reads_every_shape(headers: Any, shape: Callable[[Any], Any]) -> None:
    assert ids(extract(shape(headers)))[:2] == (TRACE_ID, SPAN_ID)


def test_a_foreign_propagator_writes_our_carriers(current: Context, headers: Any) -> None:
    injected = inject([("user", b"\xff")], context=current)
    assert injected[0] == ("user", b"\xff")
    assert lower(headers).items() <= lower(injected[1:]).items()
    assert "traceparent" not in lower(injected)


def test_a_foreign_propagator_writes_text_into_a_mapping(current: Context, headers: Any) -> None:
    injected = inject({"user": b"\xff"}, context=current)
    assert injected.pop("user") == b"\xff"
    assert {name: value.decode() for name, value in lower(headers).items()}.items() <= lower(injected.items()).items()


def test_the_fields_of_a_foreign_propagator_are_replaced_whatever_their_case(current: Context, headers: Any) -> None:
    old = [(name.upper(), b"old") for name, _ in headers]
    assert b"old" not in [value for _, value in inject([*old, ("user", b"1")], context=current)]


def test_what_a_foreign_propagator_writes_it_reads(current: Context, headers: Any) -> None:
    assert ids(extract(inject(context=current)))[:2] == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("name", ["b3 single", "jaeger"])
def test_of_several_values_a_foreign_propagator_sees_the_last(name: str, set_propagator: SetPropagator) -> None:
    make, [(field, value)] = FOREIGN[name]
    set_propagator(make())
    older = value.replace(b"0af765", b"bbbbbb")
    assert ids(extract([(field, older), (field, value)]))[0] == TRACE_ID


@pytest.mark.parametrize("name", ["b3 single", "b3 multi"])
def test_without_a_context_a_foreign_propagator_leaves_the_headers(name: str, set_propagator: SetPropagator) -> None:
    make, fields = FOREIGN[name]
    set_propagator(make())
    assert inject(fields, context=Context()) == fields


def test_w3c_headers_mean_nothing_to_a_foreign_propagator(headers: Any) -> None:
    assert ids(extract([("traceparent", TRACEPARENT)]))[:2] == (0, 0)


def test_a_composite_of_foreign_and_w3c_carries_everything(current: Context, set_propagator: SetPropagator) -> None:
    set_propagator(CompositePropagator([B3MultiFormat(), TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    injected = inject(context=current)
    assert {"x-b3-traceid", "traceparent", "baggage"} <= lower(injected).keys()
    context = extract(injected)
    assert ids(context)[:2] == (TRACE_ID, SPAN_ID)
    assert dict(baggage.get_all(context)) == {"user": "alice"}


def test_a_level_2_state_passes_through_a_foreign_composite(set_propagator: SetPropagator) -> None:
    context = extract([("traceparent", TRACEPARENT), ("tracestate", b"0a=1,b=2")])
    set_propagator(CompositePropagator([B3SingleFormat(), TraceContextTextMapPropagator()]))
    assert lower(inject(context=context))["tracestate"] == b"0a=1,b=2"


def test_only_tracecontext_carries_no_baggage(current: Context, set_propagator: SetPropagator) -> None:
    set_propagator(TraceContextTextMapPropagator())
    assert inject([("baggage", b"own=1")], context=current)[-1] == ("traceparent", TRACEPARENT)
    context = extract([("traceparent", TRACEPARENT), ("baggage", b"user=alice")])
    assert ids(context)[:2] == (TRACE_ID, SPAN_ID)
    assert dict(baggage.get_all(context)) == {}


def test_only_baggage_carries_no_trace(current: Context, set_propagator: SetPropagator) -> None:
    set_propagator(W3CBaggagePropagator())
    assert inject(context=current) == [("baggage", b"user=alice")]
    context = extract([("traceparent", TRACEPARENT), ("baggage", b"user=alice")])
    assert ids(context)[:2] == (0, 0)
    assert dict(baggage.get_all(context)) == {"user": "alice"}


def test_without_propagators_nothing_is_carried(current: Context, set_propagator: SetPropagator) -> None:
    set_propagator(CompositePropagator([]))  # OTEL_PROPAGATORS=none
    headers = [("traceparent", TRACEPARENT), ("baggage", b"user=alice")]
    assert extract(headers) == Context()
    assert inject(headers, context=current) == headers


@pytest.mark.parametrize(
    "parts",
    [
        [TraceContextTextMapPropagator(), W3CBaggagePropagator()],
        [W3CBaggagePropagator(), TraceContextTextMapPropagator()],
    ],
)
def test_the_w3c_pair_takes_the_fast_path_in_any_order(
    parts: list[TextMapPropagator], set_propagator: SetPropagator
) -> None:
    set_propagator(CompositePropagator(parts))
    assert propagation.fast_extract([("traceparent", TRACEPARENT)]) is not None


def test_a_subclass_of_a_w3c_propagator_is_used_as_it_is(current: Context, set_propagator: SetPropagator) -> None:
    class Renamed(TraceContextTextMapPropagator):
        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            setter.set(carrier, "renamed", "1")

    set_propagator(Renamed())
    assert inject(context=current) == [("renamed", b"1")]


def test_a_propagator_can_be_set_and_set_back(current: Context, set_propagator: SetPropagator) -> None:
    before = propagate.get_global_textmap()
    set_propagator(B3SingleFormat())
    assert lower(inject(context=current)).keys() == {"b3"}
    set_propagator(before)
    assert lower(inject(context=current)).keys() == {"traceparent", "baggage"}
    assert propagation.fast_extract([("traceparent", TRACEPARENT)]) is not None


@dataclass
class Custom(TextMapPropagator):
    """A propagator as an application writes one; a dataclass has no hash."""

    value: Any = "1"
    error: BaseException | None = None
    extracted: Any = None

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
        if self.error is not None:
            raise self.error
        self.extracted = {name: getter.get(carrier, name) for name in getter.keys(carrier)}
        return context

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        if self.error is not None:
            raise self.error
        setter.set(carrier, "custom", self.value)

    @property
    def fields(self) -> set[str]:
        return {"custom"}


def test_a_propagator_without_a_hash_is_used(set_propagator: SetPropagator) -> None:
    set_propagator(Custom())
    assert inject([("Custom", b"old")]) == [("custom", b"1")]


def test_a_propagator_writes_what_is_not_ascii(set_propagator: SetPropagator) -> None:
    set_propagator(Custom("é"))
    assert inject() == [("custom", "é".encode())]
    assert inject({}) == {"custom": "é"}


def test_a_propagator_sees_text_only(set_propagator: SetPropagator) -> None:
    set_propagator(custom := Custom())
    extract([("a", b"1"), ("A", "2"), ("b", b"\xff"), ("c", None), (7, b"1"), None, ("d", bytearray(b"3"))])
    assert custom.extracted == {"a": ["2", "1"], "d": ["3"]}


def test_when_restarting_a_propagator_sees_the_headers_in_their_order(set_propagator: SetPropagator) -> None:
    set_propagator(custom := Custom())
    extract([("a", b"1"), ("a", b"2")], duplicates="restart")
    assert custom.extracted == {"a": ["1", "2"]}


def test_a_propagator_that_raises_costs_the_context_and_no_more(set_propagator: SetPropagator) -> None:
    set_propagator(Custom(error=RuntimeError("broken")))
    assert extract([("custom", b"1")]) == Context()
    assert inject([("custom", b"1")]) == [("custom", b"1")]


def test_a_propagator_that_raises_is_a_problem_of_the_carrier(set_propagator: SetPropagator) -> None:
    set_propagator(Custom(error=RuntimeError("broken")))
    (problem,) = propagation.extract_origin([("custom", b"1")]).problems
    assert problem.field == "foreign"
    assert "broken" in str(problem.first)


@pytest.mark.parametrize("value", [7, None, b"bytes"])
def test_a_propagator_that_writes_no_text_writes_nothing(value: object, set_propagator: SetPropagator) -> None:
    set_propagator(Custom(value))
    assert inject([("a", b"1")]) == [("a", b"1")]


def test_a_propagator_that_returns_nothing_is_one_that_raises(set_propagator: SetPropagator) -> None:
    class Forgetful(Custom):
        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return None

    set_propagator(Forgetful())
    assert extract([("custom", b"1")]) == Context()


def test_what_a_propagator_puts_into_its_context_stays(set_propagator: SetPropagator) -> None:
    class Tenant(Custom):
        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return Context({**context, "tenant": getter.get(carrier, "tenant")[0]})

    set_propagator(Tenant())
    assert extract([("tenant", b"a")])["tenant"] == "a"


def test_the_global_propagator_is_classified_once(set_propagator: SetPropagator) -> None:
    set_propagator(Custom())
    assert propagators.in_use() is propagators.in_use()


def test_a_propagator_that_finds_no_valid_span_gives_no_parent(set_propagator: SetPropagator) -> None:
    class Invalid(Custom):
        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            return set_span_in_context(INVALID_SPAN, context)

    set_propagator(Invalid())
    assert propagation.extract_origin([("custom", b"1")]).span_context is None


def test_injecting_alone_finds_the_fast_path(set_propagator: SetPropagator) -> None:
    pair = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
    set_propagator(pair)
    inject()
    assert propagation._w3c_textmap is pair
