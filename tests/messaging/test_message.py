"""The seam: a message is known by its type, `extract` takes messages and headers."""

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock, create_autospec

import pytest

from tests.messaging.telemetry import IDS, OTHER, TRACED, fact, here, ids, message
from unbroken import extract, forward, process
from unbroken.clients.kafka.attributes import client_attributes, process_attributes, send_attributes
from unbroken.errors import UnknownCarrier, UnknownMessage
from unbroken.messaging import message as seam
from unbroken.propagation.carriers import MAPPING
from unbroken.propagation.w3c import format_traceparent
from unbroken.testing import Record

RECORD = Record("orders", 0, 7, None, b"v", list(TRACED), 0.0)


@pytest.mark.parametrize("source", [message(), RECORD, list(TRACED), TRACED, dict(TRACED)])
def test_a_context_is_extracted_from_messages_and_headers(source: object) -> None:
    assert "%032x-%016x" % ids(here(extract(source))) == IDS


@pytest.mark.parametrize("source", [None, [], (), {}, message(None)])
def test_where_there_is_no_context_none_is_extracted(source: object) -> None:
    assert extract(source) == {}


@pytest.mark.parametrize("source", [7, "text", object(), iter([])])
def test_what_is_neither_is_a_mistake_of_the_program(source: object) -> None:
    with pytest.raises(UnknownCarrier):
        extract(source)


def test_the_policy_decides_about_duplicates_unless_the_call_does(use_policy: Any) -> None:
    headers = [("traceparent", OTHER), *TRACED]
    use_policy(duplicates="restart")
    assert [extract(headers), extract(message(headers)), extract(tuple(headers))] == [{}, {}, {}]
    assert extract(message(headers), duplicates="last")


def test_a_subclass_of_a_known_type_is_known() -> None:
    class Special(Record):
        pass

    special = Special("orders", 0, 7, None, b"v", list(TRACED), 0.0)
    assert seam.type_of(special) is seam.type_of(RECORD)
    assert seam.type_of(special) is seam.known_types[Special]


def test_a_type_that_is_registered_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own:
        pass

    with pytest.raises(UnknownMessage, match="Own is not a message"):
        seam.type_of(Own())
    monkeypatch.setattr(seam, "known_types", dict(seam.known_types))
    seam.register(Own, seam.type_of(RECORD))
    assert seam.type_of(Own()) is seam.type_of(RECORD)


def test_nothing_polled_is_told_as_such() -> None:
    with pytest.raises(UnknownMessage, match=r"poll\(\) returned nothing"):
        seam.type_of(None)


def test_another_object_of_a_client_is_no_message() -> None:
    client = pytest.importorskip("confluent_kafka")
    with pytest.raises(UnknownMessage):
        seam.type_of(client.KafkaError(1))


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (b"k", "k"),
        ("k", "k"),
        (bytearray(b"k"), "k"),
        (7, "7"),
        (None, None),
        (b"\xff", None),
        (object(), None),
        ({"a": 1}, None),
    ],
)
def test_a_key_is_shown_by_its_text_if_it_has_one(key: object, shown: str | None) -> None:
    for attributes in (process_attributes("t", 0, 1, key, False), send_attributes("t", 0, key, False)):
        assert attributes.get("messaging.kafka.message.key") == shown


@pytest.mark.parametrize(("partition", "shown"), [(3, "3"), (0, "0"), (-1, None), (None, None)])
def test_a_sent_record_tells_the_partition_that_the_application_chose(partition: int | None, shown: str | None) -> None:
    found = send_attributes("t", partition, None, False)
    assert found.get("messaging.destination.partition.id") == shown


def test_a_tombstone_is_told_when_it_is_sent() -> None:
    assert send_attributes("t", None, None, True)["messaging.kafka.message.tombstone"] is True


@pytest.mark.parametrize(
    ("bootstrap", "server"),
    [
        ("broker:9092", ("broker", 9092)),
        (["broker:9092"], ("broker", 9092)),
        ("SASL_SSL://broker:9092", ("broker", 9092)),
        ("[::1]:9092", ("::1", 9092)),
        ("a:1,b:2", (None, None)),
        (["a:1", "b:2"], (None, None)),
        ("broker", (None, None)),
        ("broker:²", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_client_names_its_server_when_there_is_one(bootstrap: Any, server: tuple[Any, Any]) -> None:
    found = client_attributes(None, None, bootstrap)
    assert (found.get("server.address"), found.get("server.port")) == server


def test_a_client_names_itself_and_its_group_when_they_have_names() -> None:
    assert client_attributes("c", "g", None) == {"messaging.client.id": "c", "messaging.consumer.group.name": "g"}
    assert client_attributes("", None, None) == {}


class Letter(dict[str, Any]):
    """A message of another wire: its headers are a dict, as on AMQP."""


def test_a_message_whose_headers_are_a_dict_is_processed_and_forwarded(finished: Any) -> None:
    seam.register(
        Letter,
        seam.MessageType(
            system="rabbitmq",
            carrier=MAPPING,
            headers=lambda letter: letter["headers"],
            destination=lambda letter: "orders",
            attributes=lambda letter: {
                "messaging.system": "rabbitmq",
                "messaging.operation.name": "process",
                "messaging.destination.name": "orders",
            },
            per_message_attributes=(),
            source=lambda letter: "orders/7",
            timestamp=lambda letter: None,
            error=lambda letter: None,
            consumer=lambda consumer: {},
        ),
    )
    letter = Letter(headers={"Traceparent": f"00-{IDS}-01", "retries": 3})
    with process(letter):
        headers: Any = forward(letter)
    (span,) = finished()
    assert (span.name, "%032x-%016x" % ids(span.parent)) == ("process orders", IDS)
    assert {name: value for name, value in headers.items() if name != "traceparent"} == {
        "retries": 3,
        "unbroken-origin": f"00-{IDS}-01",
        "unbroken-source": "orders/7",
        "unbroken-attempt": "1",
    }
    assert headers["traceparent"] == format_traceparent(
        span.context.trace_id, span.context.span_id, span.context.trace_flags
    )
    assert letter == {"headers": {"Traceparent": f"00-{IDS}-01", "retries": 3}}


class Parcel:
    """A message of a broker that nobody here knows."""

    def __init__(self) -> None:
        self.headers = {"traceparent": f"00-{IDS}-01"}


def test_a_message_type_needs_three_arguments(finished: Any) -> None:
    seam.register(
        Parcel,
        seam.MessageType(system="post", headers=lambda parcel: parcel.headers, destination=lambda parcel: "home"),
    )
    with process(Parcel()):
        headers = forward(Parcel())
    (span,) = finished()
    assert (span.name, "%032x-%016x" % ids(span.parent)) == ("process home", IDS)
    assert dict(span.attributes) == {
        "messaging.system": "post",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "home",
    }
    assert (headers["unbroken-source"], headers["unbroken-attempt"]) == ("home", "1")


def test_attributes_of_a_message_type_are_added_to_those_of_the_default(finished: Any) -> None:
    given = {"parcel.weight": 3}
    seam.register(
        Parcel,
        seam.MessageType(
            system="post", headers=lambda _: None, destination=lambda _: "home", attributes=lambda parcel: given
        ),
    )
    with process(Parcel(), attributes={"more": 1}):
        pass
    (span,) = finished()
    assert (span.name, span.attributes["parcel.weight"], span.attributes["more"]) == ("process home", 3, 1)
    assert given == {"parcel.weight": 3}


class Proxy:
    """What wraps an object and says that it is of its class, as `wrapt.ObjectProxy` does."""

    def __init__(self, wrapped: object) -> None:
        self.wrapped = wrapped

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self.wrapped.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)


@pytest.mark.parametrize("given", [message(), RECORD, create_autospec(Record, instance=True), MagicMock(spec=Record)])
def test_what_says_that_it_is_a_message_is_one(given: Any) -> None:
    expected = seam.type_of(RECORD) if given.__class__ is Record else seam.type_of(message())
    assert seam.type_of(Proxy(given)) is seam.type_of(given) is expected


def test_a_proxy_is_read_by_what_it_wraps_each_time(finished: Any) -> None:
    for wrapped in (message(), RECORD, message()):
        with process(Proxy(wrapped)):
            assert "%032x" % here().trace_id == IDS[:32]
    with pytest.raises(UnknownMessage):
        process(Proxy(7))
    assert [span.name for span in finished()] == ["process orders"] * 3


def test_a_proxy_of_wrapt_and_mocks_of_classes_are_messages() -> None:
    wrapt = pytest.importorskip("wrapt")
    assert seam.type_of(wrapt.ObjectProxy(RECORD)) is seam.type_of(RECORD)
    assert seam.type_of(MagicMock(spec=type(message()))) is seam.type_of(message())
    sqs = {"MessageId": "1", "ReceiptHandle": "2"}
    assert seam.type_of(wrapt.ObjectProxy(sqs)) is seam.type_of(sqs)


def test_a_double_of_a_delivery_of_pika_and_of_a_resource_of_boto3_is_a_message() -> None:
    pika = pytest.importorskip("unbroken.clients.pika")
    boto3 = pytest.importorskip("boto3")
    assert seam.type_of(MagicMock(spec=pika.Delivery)).system == "rabbitmq"
    sqs = boto3.resource("sqs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    resource = sqs.Message("https://sqs.eu-west-1.amazonaws.com/1/orders", "receipt")
    for double in (resource, MagicMock(spec=type(resource))):
        assert seam.type_of(double).system == "aws_sqs"


@pytest.mark.parametrize(
    "headers",
    [
        TRACED,
        [*TRACED, ("baggage", b"a=1")],
        [*TRACED, ("traceparent", b"00-" + b"3" * 32 + b"-" + b"4" * 16 + b"-01")],
    ],
)
def test_the_headers_of_a_message_are_read_once(headers: Any, alter: Callable[..., None]) -> None:
    one = message(headers)
    read: list[Any] = []

    def count(of: Any) -> Any:
        read.append(of)
        return fact(of, "headers")

    alter(one, headers=count)
    with process(one):
        assert len(read) == 1
        forward(one)
        assert len(read) == 2
    forward(one)
    assert len(read) == 3
