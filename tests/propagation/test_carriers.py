"""The shapes of headers: the same one out as in, a copy, the user's headers as they were."""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.context import Context

from unbroken import extract, inject
from unbroken.errors import UnbrokenError, UnknownCarrier
from unbroken.propagation.carriers import ATTRIBUTES, MAPPING, PAIRS, carrier_of, names_of

OLD = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"
NEW = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FIELD = ("traceparent", NEW)


@pytest.fixture
def context() -> Context:
    return extract([FIELD])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, [FIELD]),
        ([], [FIELD]),
        ((), (FIELD,)),
        ({}, {"traceparent": NEW.decode()}),
        ([("user", b"\xff")], [("user", b"\xff"), FIELD]),
        ((("user", b"\xff"),), (("user", b"\xff"), FIELD)),
        ({"user": b"\xff"}, {"user": b"\xff", "traceparent": NEW.decode()}),
        (OrderedDict(user="x"), {"user": "x", "traceparent": NEW.decode()}),
        (MappingProxyType({"user": "x"}), {"user": "x", "traceparent": NEW.decode()}),
    ],
)
def test_the_shape_that_goes_in_comes_out(headers: Any, expected: Any, context: Context) -> None:
    injected = inject(headers, context=context)
    assert (injected, type(injected)) == (expected, type(expected))


@pytest.mark.parametrize("headers", [[("a", b"1"), ("TraceParent", OLD)], {"a": b"1", "TraceParent": OLD}])
def test_the_argument_is_never_changed(headers: Any, context: Context) -> None:
    before = headers.copy()
    inject(headers, context=context)
    assert headers == before


@pytest.mark.parametrize("headers", [[], [("a", b"1")], {}, {"a": b"1"}])
def test_what_comes_back_is_a_copy_also_when_nothing_is_injected(headers: Any) -> None:
    assert inject(headers, context=Context()) is not headers


def test_two_injections_do_not_share_a_list(context: Context) -> None:
    inject(context=context).append(("user", b"1"))
    assert inject(context=context) == [FIELD]


@pytest.mark.parametrize("name", ["traceparent", "TRACEPARENT", "TraceParent", b"traceparent", b"TraceParent"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_field_is_replaced_wherever_it_stands_and_however_it_is_written(
    name: str | bytes, position: int, context: Context
) -> None:
    headers: list[tuple[Any, bytes]] = [("a", b"1"), ("b", b"2")]
    headers.insert(position, (name, OLD))
    assert inject(headers, context=context) == [("a", b"1"), ("b", b"2"), FIELD]


def test_a_field_named_by_a_bytearray_is_replaced_as_it_is_read(context: Context) -> None:
    headers: Any = [(bytearray(b"traceparent"), OLD)]
    assert inject(headers, context=context) == [FIELD]


def test_a_field_of_a_mapping_is_replaced_whatever_its_case(context: Context) -> None:
    headers: Any = {"Traceparent": "old", b"traceparent": b"old"}
    assert inject(headers, context=context) == {"traceparent": NEW.decode()}


def test_fields_of_another_context_do_not_stay_beside_the_new_ones(context: Context) -> None:
    headers = [("tracestate", b"old=1"), ("traceparent", OLD), ("baggage", b"old=1")]
    assert inject(headers, context=context) == [FIELD]


def test_headers_keep_their_order_and_their_duplicates(context: Context) -> None:
    headers = [("a", b"1"), ("b", None), ("a", b"\x00\xff"), ("", b"")]
    assert inject(headers, context=context) == [*headers, FIELD]


@pytest.mark.parametrize("odd", [None, 7, (), "", object(), {}, {"a": 1}, [], [None, None], ((1, 2), 3)])
def test_what_is_no_pair_stays_where_it_is(odd: object, context: Context) -> None:
    headers: Any = [("traceparent", OLD), odd, ("a", b"1")]
    assert inject(headers, context=context) == [odd, ("a", b"1"), FIELD]


def test_a_pair_that_raises_when_looked_at_stays_where_it_is(context: Context) -> None:
    class Hostile:
        def __getitem__(self, index: int) -> object:
            raise RuntimeError("do not touch")

    hostile: Any = Hostile()
    assert inject([hostile], context=context) == [hostile, FIELD]


@pytest.mark.parametrize("headers", [7, "traceparent", b"traceparent", {"a"}, iter([]), object()])
def test_another_shape_is_a_mistake_of_the_program(headers: object) -> None:
    with pytest.raises(UnknownCarrier, match=type(headers).__qualname__) as raised:
        carrier_of(headers)
    assert isinstance(raised.value, (UnbrokenError, TypeError))
    assert raised.value.headers is headers


def test_inject_and_extract_say_so_too() -> None:
    functions: list[Any] = [inject, extract]
    for function in functions:
        with pytest.raises(UnknownCarrier):
            function(7)


def test_a_carrier_reads_pairs() -> None:
    headers: Mapping[str, str] = {"a": "1"}
    assert list(MAPPING.pairs(headers)) == [("a", "1")]
    assert [list(carrier.pairs(None)) for carrier in (MAPPING, PAIRS)] == [[], []]


def test_a_mapping_takes_a_field_that_is_not_ascii() -> None:
    assert MAPPING.replaced({}, [("error", "é".encode())], names_of()) == {"error": "é"}


def attribute(text: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": text}


def full(*names: str) -> dict[str, Any]:
    """Ten attributes of a message: these, and others."""
    return {name: attribute("x") for name in (*names, *(f"user-{number}" for number in range(10 - len(names))))}


def test_attributes_of_sqs_are_known_by_their_shape(context: Context) -> None:
    binary = {"DataType": "Binary", "BinaryValue": b"\xff"}
    assert inject({"user": binary}, context=context) == {"user": binary, "traceparent": attribute(NEW.decode())}


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("kafka", [FIELD]),
        ("amqp", {"traceparent": NEW.decode()}),
        ("sqs", {"traceparent": attribute(NEW.decode())}),
    ],
)
@pytest.mark.parametrize("headers", [None, {}])
def test_the_wire_says_what_empty_headers_become(wire: Any, headers: Any, expected: Any, context: Context) -> None:
    assert inject(headers, context=context, wire=wire) == expected


def test_an_unknown_wire_is_a_mistake_of_the_program(context: Context) -> None:
    with pytest.raises(ValueError, match="wire must be one of kafka, amqp, sqs, not 'jms'"):
        inject({}, context=context, wire="jms")  # type: ignore[call-overload]


def test_ten_attributes_stay_as_they_are(context: Context) -> None:
    assert inject(full(), context=context) == full()


def test_a_field_that_is_among_ten_attributes_is_replaced(context: Context) -> None:
    injected = inject(full("TraceParent"), context=context)
    assert len(injected) == 10
    assert injected["traceparent"] == attribute(NEW.decode())


def test_the_first_field_has_the_last_room(context: Context) -> None:
    fields = [FIELD, ("tracestate", b"a=1"), ("baggage", b"b=2")]
    nine = dict(list(full().items())[:9])
    assert ATTRIBUTES.replaced(nine, fields, names_of("traceparent")) == {
        **nine,
        "traceparent": attribute(NEW.decode()),
    }


def test_what_sqs_refuses_in_a_text_is_replaced() -> None:
    written = ATTRIBUTES.replaced({}, [("error", "a\x00b\x1fc\ufffed\té".encode())], names_of())
    assert written["error"]["StringValue"] == "a?b?c?d\té"


@pytest.mark.parametrize(
    "shape",
    [
        {"DataType": "String", "StringValue": NEW.decode()},
        {"DataType": "Binary", "BinaryValue": NEW},
        {"dataType": "String", "stringValue": NEW.decode(), "stringListValues": []},
        {"Type": "String", "Value": NEW.decode()},
    ],
    ids=["sqs", "sqs binary", "lambda", "sns"],
)
def test_an_attribute_is_read_in_each_shape_that_aws_gives_it(shape: Any) -> None:
    ((name, value),) = ATTRIBUTES.pairs({"traceparent": shape})
    assert (name, value) in [("traceparent", NEW), ("traceparent", NEW.decode())]


@pytest.mark.parametrize("odd", [None, 7, "text", b"octets", [], {"DataType": "String"}])
def test_what_is_no_attribute_stands_for_itself(odd: object) -> None:
    assert list(ATTRIBUTES.pairs({"a": odd})) == [("a", odd)]


def test_amqp_values_of_every_type_stay(context: Context) -> None:
    table: dict[str, Any] = {"int": 7, "nested": {"a": [1, {"b": None}]}, "none": None, "bytes": b"\xff", "true": True}
    assert inject(table, context=context) == {**table, "traceparent": NEW.decode()}
