"""pika: publishing with and without confirms, what has room in a frame, names that RabbitMQ makes."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest
from opentelemetry import baggage, propagate
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.trace import StatusCode
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import NackError, UnroutableError

from tests.clients.pika.queues import FIELDS, declared, fetched
from tests.clients.rabbitmq import attributes
from tests.contract.conftest import Spans, context_of
from unbroken import process, receive
from unbroken.clients.pika import instrument, uninstrument
from unbroken.messaging import tracing
from unbroken.propagation.context import attached

# Publishing.


def test_a_published_message_carries_the_send_span(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    sent = context_of(spans.sent[0])
    assert delivery.properties.headers["traceparent"][:-2] == f"00-{sent.trace_id:032x}-{sent.span_id:016x}-"


def test_the_properties_of_the_application_are_not_changed(channel: Any, queue: str, spans: Spans) -> None:
    headers = {"tenant": "a"}
    properties = pika.BasicProperties(headers=headers, message_id="1")
    channel.basic_publish("", queue, b"value", properties)
    assert properties.headers is headers
    assert headers == {"tenant": "a"}


def test_all_properties_go_with_the_context(channel: Any, queue: str, spans: Spans) -> None:
    given = pika.BasicProperties(
        content_type="text/plain",
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        message_id="m",
        timestamp=7,
        type="t",
    )
    channel.basic_publish("", queue, b"value", given)
    received = fetched(channel, queue).properties
    assert {**vars(received), "headers": None} == vars(given)


def test_headers_of_any_type_arrive_as_without_us(connection: Any, channel: Any, queue: str, spans: Spans) -> None:
    received = []
    for one in (connection.channel(), channel):
        one.basic_publish("", queue, b"value", pika.BasicProperties(headers=FIELDS))
        received.append(fetched(channel, queue).properties.headers)
    received[1].pop("traceparent")
    assert received[1] == received[0]
    assert received[1].keys() == FIELDS.keys()


def test_without_a_context_and_spans_the_properties_are_passed_on(channel: Any, queue: str, spans: Spans) -> None:
    with suppress_instrumentation():
        channel.basic_publish("", queue, b"value")
    assert fetched(channel, queue).properties.headers is None


def test_the_send_span_is_named_after_exchange_and_routing_key(channel: Any, spans: Spans) -> None:
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    assert [span.name for span in spans.sent] == ["publish amq.topic:orders.eu"]


def test_the_default_exchange_without_a_routing_key_has_a_name(channel: Any, spans: Spans) -> None:
    channel.basic_publish("", "", b"value")
    assert [span.name for span in spans.sent] == ["publish amq.default"]


def test_the_send_span_tells_what_is_published(channel: Any, spans: Spans, rabbitmq: str) -> None:
    properties = pika.BasicProperties(message_id="m", correlation_id="c")
    channel.basic_publish("amq.topic", "orders.eu", b"value", properties)
    parameters = pika.URLParameters(rabbitmq)
    assert attributes(spans.sent[0]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "amq.topic:orders.eu",
        "messaging.rabbitmq.destination.routing_key": "orders.eu",
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": parameters.host,
        "server.port": parameters.port,
    }


def test_a_confirmed_message_is_no_error(channel: Any, queue: str, spans: Spans) -> None:
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"value")
    assert spans.sent[0].status.status_code is StatusCode.UNSET


def test_a_message_without_a_route_marks_its_span(channel: Any, spans: Spans) -> None:
    channel.confirm_delivery()
    with pytest.raises(UnroutableError):
        channel.basic_publish("", "nowhere", b"value", mandatory=True)
    assert attributes(spans.sent[0])["error.type"] == "pika.exceptions.UnroutableError"


def test_a_message_that_the_broker_refuses_marks_its_span(channel: Any, spans: Spans) -> None:
    full = declared(channel, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.confirm_delivery()
    channel.basic_publish("", full, b"value")
    with pytest.raises(NackError):
        channel.basic_publish("", full, b"value")
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET, StatusCode.ERROR]


def test_what_the_client_refuses_is_raised_as_without_us(connection: Any, channel: Any, spans: Spans) -> None:
    untraced = connection.channel()
    for one in (untraced, channel):
        with pytest.raises((AttributeError, TypeError)):  # which, depends on the version
            one.basic_publish("", "orders", object())


@pytest.mark.parametrize("headers", [[("a", b"b")], "text", 7])
def test_headers_that_are_no_mapping_are_the_clients_business(channel: Any, headers: Any, spans: Spans) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the client raises
        channel.basic_publish("", "orders", b"value", pika.BasicProperties(headers=headers))
    assert "unbroken" not in str(caught.traceback[-1].path)


def test_a_traced_channel_is_the_same_channel(connection: Any) -> None:
    channel = connection.channel()
    assert instrument(channel) is channel


def test_tracing_a_channel_twice_makes_one_span(channel: Any, queue: str, spans: Spans) -> None:
    instrument(channel)
    channel.basic_publish("", queue, b"value")
    assert len(spans.sent) == 1


def test_each_channel_that_an_instrumented_connection_opens_is_traced(
    connection: Any, queue: str, spans: Spans
) -> None:
    early = connection.channel()
    assert instrument(instrument(connection)) is connection
    for _ in range(2):
        connection.channel().basic_publish("", queue, b"value")
    early.basic_publish("", queue, b"value")
    assert len(spans.sent) == 2


def test_channels_of_a_connection_that_is_left_alone_again_are_not_traced(
    connection: Any, queue: str, spans: Spans
) -> None:
    traced = instrument(connection).channel()
    uninstrument(connection).channel().basic_publish("", queue, b"value")
    assert spans.ended == []
    traced.basic_publish("", queue, b"value")
    uninstrument(traced).basic_publish("", queue, b"value")
    assert len(spans.sent) == 1


def test_a_channel_of_a_connection_with_callbacks_is_traced_from_its_first_moment(rabbitmq: str, spans: Spans) -> None:
    opened = []

    def open_channel(connection: Any) -> None:
        connection.channel(on_open_callback=use)

    def use(channel: Any) -> None:
        opened.append(channel)
        channel.basic_publish("amq.topic", "orders", b"value")
        channel.connection.close()

    made: Any = pika.SelectConnection(
        pika.URLParameters(rabbitmq),
        on_open_callback=lambda connection: open_channel(instrument(connection)),
        on_close_callback=lambda connection, _: connection.ioloop.stop(),
    )
    made.ioloop.start()
    made.ioloop.close()
    assert (len(opened), len(spans.sent)) == (1, 1)


@pytest.mark.parametrize("other", [None, "channel", object(), pika.URLParameters])
@pytest.mark.parametrize("verb", [instrument, uninstrument])
def test_what_is_neither_channel_nor_connection_is_refused(verb: Any, other: Any) -> None:
    with pytest.raises(TypeError, match="a channel or a connection of pika"):
        verb(other)


@pytest.mark.parametrize("kind", [BlockingChannel, Channel, pika.BlockingConnection, pika.SelectConnection])
def test_a_double_that_says_it_is_one_is_left_as_it_is(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    double = MagicMock(spec=kind)
    assert uninstrument(instrument(double)) is double
    assert caplog.records == []


def test_a_connection_whose_channels_are_no_channels_gives_them_as_they_are(rabbitmq: str) -> None:
    class Connection(pika.BlockingConnection):  # type: ignore[misc]
        def channel(self, channel_number: Any = None) -> Any:
            return "not a channel"

    with Connection(pika.URLParameters(rabbitmq)) as connection:
        assert instrument(connection).channel() == "not a channel"


def test_another_channel_of_the_connection_is_as_it_was(
    connection: Any, channel: Any, queue: str, spans: Spans
) -> None:
    connection.channel().basic_publish("", queue, b"value")
    assert spans.ended == []


# Properties must fit into one frame: the broker closes the connection over a larger one.


@pytest.fixture
def small(rabbitmq: str) -> Iterator[Any]:
    """A traced channel of a connection with the smallest frames that there are."""
    parameters = pika.URLParameters(rabbitmq)
    parameters.frame_max = 4096
    with pika.BlockingConnection(parameters) as connection:
        yield instrument(connection.channel())


@pytest.mark.parametrize("size", [3900, 4000, 4050])
def test_a_message_without_room_in_its_frame_is_sent_without_a_context(
    small: Any, spans: Spans, size: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_said", set())
    queue = declared(small)
    small.confirm_delivery()
    small.basic_publish("", queue, b"value", pika.BasicProperties(headers={"note": "x" * size}))
    small.basic_publish("", queue, b"value", pika.BasicProperties(headers={"note": "x" * size}))
    assert list(fetched(small, queue).properties.headers) == ["note"]
    assert [entry.getMessage() for entry in caplog.records if entry.name == "unbroken"] == [
        "a message has reached the limit of 4096 octets of a frame (AMQP): it is sent without traceparent (logged once)"
    ]
    assert attributes(spans.sent[0])["unbroken.carrier.left_out"] == ("traceparent",)


def test_what_has_room_in_a_frame_goes_before_what_has_none(small: Any, spans: Spans) -> None:
    queue = declared(small)
    with attached(baggage.set_baggage("tenant", "x" * 5000)):
        small.basic_publish("", queue, b"value")
    assert list(fetched(small, queue).properties.headers) == ["traceparent"]
    assert attributes(spans.sent[0])["unbroken.carrier.left_out"] == ("baggage",)


def test_headers_with_room_for_a_context_get_one(small: Any, spans: Spans) -> None:
    queue = declared(small)
    small.basic_publish("", queue, b"value", pika.BasicProperties(headers={"note": "x" * 1000, **FIELDS}))
    assert "traceparent" in fetched(small, queue).properties.headers


def test_a_field_whose_name_the_wire_cannot_hold_is_left_out(channel: Any, queue: str, spans: Spans) -> None:
    """A Jaeger propagator names a header after each key of the baggage."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(JaegerPropagator())
    try:
        with attached(baggage.set_baggage("k" * 300, "value")):
            channel.basic_publish("", queue, b"value")
    finally:
        propagate.set_global_textmap(before)
    assert list(fetched(channel, queue).properties.headers) == ["uber-trace-id"]


# Queues that RabbitMQ names.


def test_a_queue_that_the_broker_named_is_in_no_span_name(channel: Any, spans: Spans, rabbitmq: str) -> None:
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery), receive([delivery], channel):
        pass
    channel.basic_ack(delivery.method.delivery_tag)
    parameters = pika.URLParameters(rabbitmq)
    broker = f"{parameters.host}:{parameters.port}"
    assert [span.name for span in spans.ended] == [
        f"{operation} {broker}" for operation in ("publish", "consume", "process", "ack")
    ]
    assert [attributes(span)["messaging.destination.name"] for span in spans.ended] == [queue] * 4
    assert all(attributes(span)["messaging.destination.anonymous"] for span in spans.ended)


def test_an_anonymous_queue_of_an_exchange_is_named_after_the_exchange(channel: Any, spans: Spans) -> None:
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "orders.*")
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    with process(fetched(channel, queue)):
        pass
    assert [span.name for span in spans.ended] == ["publish amq.topic:orders.eu", "process amq.topic:orders.eu"]
    assert attributes(spans.processed[0])["messaging.destination.template"] == "amq.topic:orders.eu"


def test_a_direct_reply_is_named_after_the_broker(channel: Any, queue: str, spans: Spans, rabbitmq: str) -> None:
    replies: list[bytes] = []
    channel.basic_consume("amq.rabbitmq.reply-to", lambda *pieces: replies.append(pieces[3]), auto_ack=True)
    channel.basic_publish("", queue, b"value", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    asked = fetched(channel, queue)
    channel.basic_publish("", asked.properties.reply_to, b"answer")
    while not replies:
        channel.connection.process_data_events(0.05)
    parameters = pika.URLParameters(rabbitmq)
    broker = f"{parameters.host}:{parameters.port}"
    assert [span.name for span in spans.ended] == [f"publish {queue}", f"publish {broker}", f"process {broker}"]
