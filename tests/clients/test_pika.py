"""pika: callbacks, the generator, `basic_get`, publishing with and without confirms, settling, dead-lettering."""

import functools
import gc
import struct
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from unittest.mock import MagicMock

import pika
import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel
from pika.exceptions import NackError, UnroutableError

from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, extract, forward, process, receive
from unbroken.clients.patches import install, uninstall
from unbroken.clients.pika import Delivery, get, instrument, traced, uninstrument
from unbroken.clients.pika.dropins import PATCHES
from unbroken.clients.pika.zero_code import ZERO_CODE
from unbroken.clients.rabbitmq.wrappers import wraps_once
from unbroken.messaging import tracing
from unbroken.propagation.context import attached

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FIELDS = {
    "text": "ü",
    "octets": b"\xff\x00",
    "number": 7,
    "large": 1 << 40,
    "true": True,
    "none": None,
    "decimal": Decimal("1.5"),
    "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
    "table": {"inner": {"deep": [1, "two"]}},
    "list": [1, None, {"a": b"b"}],
}


@pytest.fixture
def connection(rabbitmq: str) -> Iterator[pika.BlockingConnection]:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq))
    yield connection
    if connection.is_open:
        connection.close()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> Any:
    return instrument(connection.channel())


@pytest.fixture
def queue(channel: Any) -> str:
    return declared(channel)


def declared(channel: Any, **arguments: Any) -> str:
    """A queue of the test's own."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    return name


def fetched(channel: Any, queue: str) -> Delivery:
    """The next message of a queue."""
    for _ in range(200):
        if (delivery := get(channel, queue)) is not None:
            return delivery
        channel.connection.process_data_events(0.05)
    raise AssertionError("no message came")


def trace_id() -> int:
    return trace.get_current_span().get_span_context().trace_id


def current_id() -> int:
    return trace.get_current_span().get_span_context().span_id


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def settled(spans: Spans) -> list[ReadableSpan]:
    return [span for span in spans.of(SpanKind.CLIENT) if attributes(span)["messaging.operation.type"] == "settle"]


def consumed(channel: Any, queue: str, handle: Callable[..., Any], count: int = 1, **named: Any) -> None:
    """Run a handler as the callback of a consumer for so many messages."""
    left = [count]

    def callback(*pieces: Any) -> None:
        try:
            handle(*pieces)
        finally:
            left[0] -= 1
            if not left[0]:
                channel.stop_consuming()

    channel.basic_consume(queue, callback, **named)
    channel.start_consuming()


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


# Callbacks.


def test_a_callback_runs_in_the_trace_of_the_producer(channel: Any, queue: str, spans: Spans) -> None:
    with trace.get_tracer("test").start_as_current_span("order"):
        sent = trace_id()
        channel.basic_publish("", queue, b"value")
    seen: list[int] = []
    consumed(channel, queue, lambda *_: seen.append(trace_id()))
    assert seen == [sent]


def test_one_callback_can_be_traced_on_a_plain_channel(connection: Any, queue: str, spans: Spans) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers={"traceparent": PARENT}))
    seen: list[int] = []
    consumed(plain, queue, traced(lambda *_: seen.append(trace_id()), queue))
    assert seen == [0x0AF7651916CD43DD8448EB211C80319C]


def test_a_traced_callback_is_traced_once(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    callback = traced(lambda *_: None, queue)
    assert traced(callback) is callback
    consumed(channel, queue, traced(callback))
    assert len(spans.processed) == 1


def test_a_traced_callback_returns_what_the_callback_returns(spans: Spans) -> None:
    callback = traced(lambda *_: "done")
    assert callback(None, pika.spec.Basic.Deliver(), pika.BasicProperties(), b"") == "done"


def test_a_decorator_over_a_traced_callback_is_still_called(channel: Any, queue: str, spans: Spans) -> None:
    called = []
    inner = traced(lambda *_: None, queue)

    @functools.wraps(inner)
    def outer(*pieces: Any) -> None:
        called.append(1)
        inner(*pieces)

    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, traced(outer, queue))
    assert called == [1]
    assert len(spans.processed) == 1


def test_process_of_the_same_delivery_inside_its_callback_is_one_span(channel: Any, queue: str, spans: Spans) -> None:
    def handle(channel: Any, method: Any, properties: Any, body: Any) -> None:
        with process(Delivery(channel, method, properties, body)):
            pass

    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, handle)
    assert len(spans.processed) == 1


def test_an_error_of_the_callback_marks_the_span_and_passes(channel: Any, queue: str, spans: Spans) -> None:
    def handle(*_: Any) -> None:
        raise KeyError("no")

    channel.basic_publish("", queue, b"value")
    with pytest.raises(KeyError):
        consumed(channel, queue, handle)
    assert attributes(spans.processed[0])["error.type"] == "KeyError"


def test_the_process_span_is_named_after_exchange_routing_key_and_queue(channel: Any, queue: str, spans: Spans) -> None:
    channel.queue_bind(queue, "amq.topic", "orders.*")
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    consumed(channel, queue, lambda *_: None)
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


def test_the_process_span_tells_what_is_processed(channel: Any, queue: str, spans: Spans, rabbitmq: str) -> None:
    channel.basic_publish("", queue, b"value", pika.BasicProperties(message_id="m", correlation_id="c"))
    consumed(channel, queue, lambda *_: None)
    parameters = pika.URLParameters(rabbitmq)
    assert attributes(spans.processed[0]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": queue,
        "messaging.rabbitmq.destination.routing_key": queue,
        "messaging.rabbitmq.message.delivery_tag": 1,
        "messaging.message.id": "m",
        "messaging.message.conversation_id": "c",
        "server.address": parameters.host,
        "server.port": parameters.port,
    }


def test_what_is_no_callback_is_refused_as_without_us(channel: Any, queue: str) -> None:
    with pytest.raises(Exception, match="callback"):
        channel.basic_consume(queue, "no callback")


def test_two_consumers_of_a_channel_keep_their_traces(channel: Any, queue: str, spans: Spans) -> None:
    other = declared(channel)
    sent, seen = {}, {}
    for name in (queue, other):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent[name] = trace_id()
            channel.basic_publish("", name, b"value")

    def handle(_channel: Any, method: Any, *_: Any) -> None:
        seen[method.routing_key] = trace_id()

    channel.basic_consume(other, handle)
    while other not in seen:
        channel.connection.process_data_events(0.05)
    consumed(channel, queue, handle)
    assert seen == sent


def test_each_thread_with_its_connection_keeps_its_traces(rabbitmq: str, queue: str, spans: Spans) -> None:
    failures: list[str] = []

    def work(number: int) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(rabbitmq))
        mine = instrument(connection.channel())
        name = declared(mine)
        sent, seen = [], []
        for _ in range(20):
            with trace.get_tracer("test").start_as_current_span(f"order {number}"):
                sent.append(trace_id())
                mine.basic_publish("", name, b"value")
        consumed(mine, name, lambda *_: seen.append(trace_id()), 20, auto_ack=True)
        connection.close()
        if seen != sent or get_current():
            failures.append(f"thread {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


# The generator, and `basic_get`.


def test_each_message_of_the_generator_is_in_its_trace(channel: Any, queue: str, spans: Spans) -> None:
    sent, seen = [], []
    for _ in range(3):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent.append(trace_id())
            channel.basic_publish("", queue, b"value")
    for method, _, _ in channel.consume(queue):
        seen.append(trace_id())
        channel.basic_ack(method.delivery_tag)
        if len(seen) == 3:
            break
    channel.cancel()
    assert seen == sent


def test_after_a_break_out_of_the_generator_the_context_is_as_it_was(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    for _ in channel.consume(queue):
        break
    after = get_current()
    channel.cancel()
    assert after is before


def test_after_an_error_in_the_loop_the_context_is_as_it_was(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")

    def loop() -> None:
        for _ in channel.consume(queue):
            raise KeyError("no")

    with pytest.raises(KeyError):
        loop()
    assert get_current() is before


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_the_channel_ends_the_message_of_a_generator_that_is_still_held(
    channel: Any, queue: str, spans: Spans, end: str
) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    held = channel.consume(queue)
    next(held)
    getattr(channel, end)()
    after = get_current()
    held.close()
    assert after is before
    assert len(spans.processed) == 1


def test_between_messages_the_generator_has_no_message(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    seen = []
    for method, _, _ in channel.consume(queue, inactivity_timeout=0.05):
        seen.append(current_id())
        if method is None:
            break
    channel.cancel()
    assert seen[-1] == 0


def test_two_generators_that_take_turns_keep_their_traces(
    connection: Any, channel: Any, queue: str, spans: Spans
) -> None:
    other_channel = instrument(connection.channel())
    other = declared(other_channel)
    sent: dict[str, list[int]] = {queue: [], other: []}
    for name in (queue, other, queue, other):
        with trace.get_tracer("test").start_as_current_span("order"):
            sent[name].append(trace_id())
            channel.basic_publish("", name, b"value")
    seen: dict[str, list[int]] = {queue: [], other: []}
    before = get_current()
    loops = {queue: channel.consume(queue), other: other_channel.consume(other)}
    for name in (queue, other, queue, other):
        next(loops[name])
        seen[name].append(trace_id())
    loops[queue].close()
    loops[other].close()
    after = get_current()
    channel.cancel()
    other_channel.cancel()
    assert seen == sent
    assert after is before


def test_a_generator_that_is_left_in_another_thread_ends_its_span(channel: Any, queue: str, spans: Spans) -> None:
    before = get_current()
    channel.basic_publish("", queue, b"value")
    held = [channel.consume(queue)]
    next(held[0])
    closer = threading.Thread(target=lambda: held.pop().close())
    closer.start()
    closer.join()
    assert len(spans.processed) == 1
    channel.cancel()
    for _ in channel.consume(queue, inactivity_timeout=0.01):  # the next step of this thread finds its way back
        break
    channel.cancel()
    assert get_current() == before


def test_basic_get_gives_what_the_client_gives(channel: Any, queue: str, spans: Spans) -> None:
    assert channel.basic_get(queue) == (None, None, None)
    channel.basic_publish("", queue, b"value")
    method, _, body = channel.basic_get(queue)
    assert (method.delivery_tag, body) == (1, b"value")


def test_a_fetched_message_knows_its_queue(channel: Any, queue: str, spans: Spans) -> None:
    channel.queue_bind(queue, "amq.topic", "orders.*")
    channel.basic_publish("amq.topic", "orders.eu", b"value")
    with process(fetched(channel, queue)):
        pass
    assert spans.processed[0].name == f"process amq.topic:orders.eu:{queue}"


def test_an_empty_queue_gives_no_delivery(channel: Any, queue: str) -> None:
    assert get(channel, queue) is None


def test_several_fetched_messages_are_one_receive_span(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    channel.basic_publish("", queue, b"value")
    with receive([fetched(channel, queue), fetched(channel, queue)]):
        pass
    links = spans.named(f"consume {queue}").links
    tags = [(link.attributes or {})["messaging.rabbitmq.message.delivery_tag"] for link in links]
    assert tags == [1, 2]


# Settling.


@pytest.mark.parametrize(
    ("operation", "settle"),
    [
        ("ack", lambda channel, tag: channel.basic_ack(tag)),
        ("ack", lambda channel, tag: channel.basic_ack(delivery_tag=tag, multiple=True)),
        ("nack", lambda channel, tag: channel.basic_nack(tag, False, requeue=False)),
        ("reject", lambda channel, tag: channel.basic_reject(tag, requeue=False)),
    ],
)
@pytest.mark.parametrize("is_inside", [True, False], ids=["inside", "after"])
def test_settling_is_a_child_of_the_process_span(
    channel: Any, queue: str, spans: Spans, operation: str, settle: Callable[..., None], is_inside: bool
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        if is_inside:
            settle(channel, delivery.method.delivery_tag)
    if not is_inside:
        settle(channel, delivery.method.delivery_tag)
    (span,) = settled(spans)
    assert span.name.startswith(operation)
    assert span.parent is not None
    assert span.parent.span_id == context_of(spans.processed[0]).span_id


@pytest.mark.parametrize("tag", [2, 0], ids=["up to a tag", "all"])
def test_settling_several_links_the_process_span_of_each(channel: Any, queue: str, spans: Spans, tag: int) -> None:
    for _ in range(2):
        channel.basic_publish("", queue, b"value")
        with process(fetched(channel, queue)):
            pass
    with trace.get_tracer("test").start_as_current_span("batch"):
        channel.basic_ack(tag, multiple=True)
    (span,) = settled(spans)
    assert {link.context.span_id for link in span.links} == {context_of(one).span_id for one in spans.processed}
    assert span.name == f"ack {queue}"


def test_settling_several_of_different_queues_is_named_after_none(channel: Any, spans: Spans) -> None:
    for queue in (declared(channel), declared(channel)):
        channel.basic_publish("", queue, b"value")
        delivery = fetched(channel, queue)
        with process(delivery):
            if delivery.method.delivery_tag == 2:
                channel.basic_ack(2, multiple=True)
    assert [span.name for span in settled(spans)] == ["ack"]


def test_settling_several_leaves_those_after_the_tag(channel: Any, queue: str, spans: Spans) -> None:
    for _ in range(2):
        channel.basic_publish("", queue, b"value")
        with process(fetched(channel, queue)):
            pass
    channel.basic_ack(1, multiple=True)
    channel.basic_ack(2)
    parents = [span.parent.span_id for span in settled(spans) if span.parent]
    assert parents == [context_of(span).span_id for span in spans.processed]


def test_a_tag_of_another_channel_is_another_message(connection: Any, channel: Any, queue: str, spans: Spans) -> None:
    other = instrument(connection.channel())
    for one in (channel, other):
        channel.basic_publish("", queue, b"value")
        with process(fetched(one, queue)):
            pass
    other.basic_ack(1)
    channel.basic_ack(1)
    parents = [span.parent.span_id for span in settled(spans) if span.parent]
    assert parents == [context_of(span).span_id for span in reversed(spans.processed)]


def test_without_settle_spans_a_message_is_still_acknowledged(channel: Any, queue: str, spans: Spans) -> None:
    before = configure(Policy(settle=False))
    try:
        channel.basic_publish("", queue, b"value")
        delivery = fetched(channel, queue)
        with process(delivery):
            channel.basic_ack(delivery.method.delivery_tag)
    finally:
        configure(before)
    channel.basic_recover(requeue=True)
    assert (settled(spans), get(channel, queue)) == ([], None)


def test_an_unsampled_message_is_acknowledged_without_a_span(channel: Any, queue: str, spans: Spans) -> None:
    with suppress_instrumentation():
        unsampled = pika.BasicProperties(headers={"traceparent": f"{PARENT[:-2]}00"})
        channel.basic_publish("", queue, b"value", unsampled)
    consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    channel.basic_recover(requeue=True)
    assert (spans.ended, get(channel, queue)) == ([], None)


def test_a_sampled_message_is_acknowledged_in_its_trace_inside_an_unsampled_one(
    channel: Any, queue: str, spans: Spans
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        pass
    with suppress_instrumentation():
        unsampled = pika.BasicProperties(headers={"traceparent": f"{PARENT[:-2]}00"})
        channel.basic_publish("", queue, b"value", unsampled)
    with process(fetched(channel, queue)):
        channel.basic_ack(delivery.method.delivery_tag)
    assert [span.parent.trace_id for span in settled(spans) if span.parent] == [context_of(spans.sent[0]).trace_id]


def test_an_acknowledgement_after_the_block_is_named_after_the_destination(
    channel: Any, queue: str, spans: Spans
) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        pass
    channel.basic_ack(delivery.method.delivery_tag)
    assert [span.name for span in settled(spans)] == [f"ack {queue}"]


def test_an_acknowledgement_that_another_thread_asked_for_is_in_the_trace_of_its_message(
    channel: Any, queue: str, spans: Spans
) -> None:
    workers: list[threading.Thread] = []
    left = [3]

    def acknowledge(tag: int) -> None:
        channel.basic_ack(tag)
        left[0] -= 1
        if not left[0]:
            channel.stop_consuming()

    def handle(channel: Any, method: Any, *_: Any) -> None:
        done = functools.partial(acknowledge, method.delivery_tag)
        workers.append(threading.Thread(target=channel.connection.add_callback_threadsafe, args=(done,)))
        workers[-1].start()

    for _ in range(left[0]):
        channel.basic_publish("", queue, b"value")
    channel.basic_consume(queue, handle)
    channel.start_consuming()
    for worker in workers:
        worker.join()
    of = {context_of(span).span_id: attributes(span) for span in spans.processed}
    tag = "messaging.rabbitmq.message.delivery_tag"
    assert [of[span.parent.span_id][tag] for span in settled(spans) if span.parent] == [
        attributes(span)[tag] for span in settled(spans)
    ]


def test_a_failed_acknowledgement_marks_its_span(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        channel.close()
        with pytest.raises(pika.exceptions.ChannelWrongStateError):
            channel.basic_ack(delivery.method.delivery_tag)
    assert attributes(settled(spans)[0])["error.type"] == "pika.exceptions.ChannelWrongStateError"


# What RabbitMQ itself does with messages.


def dead_lettered(channel: Any, **arguments: Any) -> tuple[str, str]:
    """A queue that gives its dead letters to another, and that other."""
    letters = declared(channel)
    return declared(
        channel, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": letters, **arguments}
    ), letters


def reject(channel: Any, queue: str) -> None:
    channel.basic_reject(fetched(channel, queue).method.delivery_tag, requeue=False)


def overflow(channel: Any, queue: str) -> None:
    channel.basic_publish("", queue, b"another")


def wait(channel: Any, queue: str) -> None:
    """Nothing: the message expires."""


@pytest.mark.parametrize(
    ("reason", "arguments", "act"),
    [
        ("rejected", {}, reject),
        ("expired", {"x-message-ttl": 1}, wait),
        ("maxlen", {"x-max-length": 1}, overflow),
    ],
    ids=["reject", "ttl", "length"],
)
def test_a_dead_letter_of_rabbitmq_keeps_its_trace(
    channel: Any, spans: Spans, reason: str, arguments: dict[str, Any], act: Callable[[Any, str], None]
) -> None:
    queue, letters = dead_lettered(channel, **arguments)
    with trace.get_tracer("test").start_as_current_span("order"):
        sent = trace_id()
        channel.basic_publish("", queue, b"value")
    act(channel, queue)
    with process(fetched(channel, letters)):
        seen = trace_id()
    found = attributes(spans.processed[0])
    death = {name.removeprefix("unbroken.message.death."): value for name, value in found.items() if "death" in name}
    assert seen == sent
    assert death == {"count": 1, "queue": queue, "reason": reason}


def test_a_message_that_dies_again_counts_its_deaths(channel: Any, spans: Spans) -> None:
    letters, retry = f"dead-{uuid.uuid4().hex[:8]}", f"retry-{uuid.uuid4().hex[:8]}"
    to = {"x-dead-letter-exchange": ""}
    channel.queue_declare(retry, exclusive=True, arguments={**to, "x-dead-letter-routing-key": letters})
    channel.queue_declare(letters, exclusive=True, arguments={**to, "x-dead-letter-routing-key": retry})
    channel.basic_publish("", retry, b"value")
    for name in (retry, letters, retry):
        reject(channel, name)
    with process(fetched(channel, letters)):
        pass
    assert attributes(spans.processed[0])["unbroken.message.death.count"] == 3


def test_a_redelivered_message_says_so(channel: Any, queue: str, spans: Spans) -> None:
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    with process(delivery):
        channel.basic_nack(delivery.method.delivery_tag)
    with process(fetched(channel, queue)):
        pass
    assert [attributes(span).get("unbroken.message.redelivered") for span in spans.processed] == [None, True]


def test_a_quorum_queue_tells_how_often_it_delivered(channel: Any, spans: Spans) -> None:
    queue = f"quorum-{uuid.uuid4().hex[:8]}"
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    try:
        channel.basic_publish("", queue, b"value")
        for _ in range(2):
            delivery = fetched(channel, queue)
            with process(delivery):
                channel.basic_nack(delivery.method.delivery_tag)
    finally:
        channel.queue_delete(queue)
    assert attributes(spans.processed[1])["unbroken.message.receive_count"] == 2


def test_a_forwarded_message_is_in_the_same_trace(channel: Any, queue: str, spans: Spans) -> None:
    retry = declared(channel)
    channel.basic_publish("", queue, b"value", pika.BasicProperties(headers={"tenant": b"\xff", "n": 7}))
    delivery = fetched(channel, queue)
    with process(delivery):
        headers = forward(delivery, error=ValueError("no"))
        channel.basic_publish("", retry, delivery.body, pika.BasicProperties(headers=headers))
    again = fetched(channel, retry)
    with process(again):
        pass
    one, other = (context_of(span).trace_id for span in spans.processed)
    assert one == other
    assert (again.properties.headers["tenant"], again.properties.headers["n"]) == (b"\xff", 7)
    assert again.properties.headers["unbroken-attempt"] == "1"


def test_a_message_passed_on_with_its_properties_keeps_one_traceparent(channel: Any, queue: str, spans: Spans) -> None:
    other = declared(channel)
    channel.basic_publish("", queue, b"value")
    delivery = fetched(channel, queue)
    before = dict(delivery.properties.headers)
    with process(delivery):
        channel.basic_publish("", other, delivery.body, delivery.properties)
    assert list(fetched(channel, other).properties.headers) == ["traceparent"]
    assert delivery.properties.headers == before


# Bad input.


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {"traceparent": b"\xff\xfe"},
        {"traceparent": 7},
        {"traceparent": None},
        {"traceparent": {"nested": [PARENT]}},
        {"traceparent": [PARENT]},
        {"traceparent": PARENT.upper()},
        {"tracestate": {"a": 1}, "baggage": 7},
        {"x-death": "text"},
        {"x-death": [7, None, "text"]},
        {"x-death": [{"count": "many", "queue": 7}]},
        {"x-delivery-count": "two"},
        {f"header-{number}": "value" for number in range(1200)},
    ],
    ids=repr,
)
def test_odd_headers_cost_neither_message_nor_span(connection: Any, queue: str, spans: Spans, headers: Any) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers=headers))
    seen = []
    consumed(plain, queue, traced(lambda *pieces: seen.append(pieces[3])))
    assert seen == [b"value"]
    assert len(spans.processed) == 1


def test_header_names_that_are_no_utf_8_are_survived(connection: Any, queue: str, spans: Spans) -> None:
    """The client gives such a name as octets; it writes only text, so the table is written by hand."""

    class Properties(pika.BasicProperties):  # type: ignore[misc]  # a class without types
        def encode(self) -> list[bytes]:
            entries = b"".join(
                bytes([len(name)]) + name + b"S" + struct.pack(">I", len(value)) + value
                for name, value in [(b"\xff\xfe", b"odd"), (b"traceparent", PARENT.encode())]
            )
            return [struct.pack(">H", self.FLAG_HEADERS), struct.pack(">I", len(entries)), entries]

    plain = connection.channel()
    plain.basic_publish("", queue, b"value", Properties())
    with process(fetched(plain, queue)):
        assert trace_id() == 0x0AF7651916CD43DD8448EB211C80319C


def test_extract_reads_a_delivery(connection: Any, queue: str) -> None:
    plain = connection.channel()
    plain.basic_publish("", queue, b"value", pika.BasicProperties(headers={"traceparent": PARENT}))
    span = trace.get_current_span(extract(fetched(plain, queue)))
    assert span.get_span_context().span_id == 0xB7AD6B7169203331


def test_a_delivery_holds_what_it_was_made_of() -> None:
    method, properties = pika.spec.Basic.GetOk(), pika.BasicProperties()
    delivery = Delivery("channel", method, properties, b"body", "orders", True)
    assert tuple(delivery) == ("channel", method, properties, b"body", "orders", True)


# Connections with callbacks.


class Selected:
    """A SelectConnection with one channel; each step is called with the channel when the one before is done."""

    def __init__(self, url: str) -> None:
        self.failure: BaseException | None = None
        self.connection = pika.SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._opened),
            on_open_error_callback=lambda _, error: self._fail(error),
        )

    def run(self, act: Callable[["Selected", Any], None]) -> None:
        """Run the loop until `stop` is called."""
        self.act = act
        self.connection.ioloop.call_later(20, lambda: self._fail(TimeoutError("the loop was not stopped")))
        try:
            self.connection.ioloop.start()
        finally:
            self.connection.ioloop.close()
        if self.failure is not None:
            raise self.failure

    def stop(self, *_: Any) -> None:
        self.connection.add_on_close_callback(lambda *_: self.connection.ioloop.stop())
        if self.connection.is_open:
            self.connection.close()

    def stop_without(self, spans: Spans) -> Callable[[Any], None]:
        """A callback that stops the loop when no span is open."""

        def stop(_: Any) -> None:
            if not spans.open:
                self.stop()

        return stop

    def _opened(self, channel: Any) -> None:
        try:
            self.act(self, channel)
        except BaseException as error:  # noqa: BLE001 - raised by `run`
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.connection.ioloop.stop()


def test_the_span_of_a_channel_with_callbacks_ends_with_the_confirmation(rabbitmq: str, spans: Spans) -> None:
    open_when_published: list[int] = []
    confirmed: list[Any] = []

    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            for _ in range(3):
                channel.basic_publish("amq.topic", "orders", b"value")
            open_when_published.append(len(spans.open))

        def answer(frame: Any) -> None:
            confirmed.append(frame)
            if not spans.open:
                selected.stop()

        channel.confirm_delivery(answer, callback=publish)

    Selected(rabbitmq).run(act)
    assert open_when_published == [3]
    assert confirmed
    assert [span.status.status_code for span in spans.sent] == [StatusCode.UNSET] * 3


def test_without_confirms_the_span_ends_with_the_call(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel).basic_publish("amq.topic", "orders", b"value")
        assert spans.open == {}
        selected.stop()

    Selected(rabbitmq).run(act)
    assert len(spans.sent) == 1


def test_a_returned_message_marks_its_own_span(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("amq.topic", "orders", b"value")
            channel.basic_publish("", "nowhere", b"value", mandatory=True)

        channel.confirm_delivery(selected.stop_without(spans), callback=publish)

    Selected(rabbitmq).run(act)
    assert {span.name: attributes(span).get("error.type") for span in spans.sent} == {
        "publish amq.topic:orders": None,
        "publish nowhere": "NO_ROUTE",
    }


def test_a_refused_message_marks_its_own_span(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("", "full", b"value")
            channel.basic_publish("", "full", b"value")

        def confirm(_: Any) -> None:
            channel.confirm_delivery(selected.stop_without(spans), callback=publish)

        overflow = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", exclusive=True, arguments=overflow, callback=confirm)

    Selected(rabbitmq).run(act)
    assert sorted(attributes(span).get("error.type", "") for span in spans.sent) == ["", "nack"]


def test_messages_without_an_answer_end_with_their_channel(rabbitmq: str, spans: Spans) -> None:
    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def publish(_: Any) -> None:
            channel.basic_publish("no such exchange", "orders", b"value")  # the broker closes the channel

        channel.add_on_close_callback(selected.stop)
        channel.confirm_delivery(lambda _: None, callback=publish)

    Selected(rabbitmq).run(act)
    assert [attributes(span)["error.type"] for span in spans.sent] == ["pika.exceptions.ChannelClosedByBroker"]


def test_callbacks_of_consume_and_get_run_in_their_traces(rabbitmq: str, spans: Spans) -> None:
    seen: list[int] = []

    def act(selected: Selected, channel: Any) -> None:
        instrument(channel)

        def handle(channel: Any, method: Any, *_: Any) -> None:
            seen.append(trace_id())
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 1:
                channel.basic_publish("", "mine", b"value")
                channel.basic_consume("mine", handle)
            else:
                selected.stop()

        def declared(_: Any) -> None:
            channel.basic_publish("", "mine", b"value")
            channel.basic_get("mine", handle)

        channel.queue_declare("mine", exclusive=True, callback=declared)

    Selected(rabbitmq).run(act)
    assert seen == [context_of(span).trace_id for span in spans.processed]
    assert len(settled(spans)) == 2
    assert get_current() == {}


# The same list of patches on the classes.


@pytest.fixture
def patched() -> Iterator[None]:
    """The classes of the client, as zero-code instrumentation patches them."""
    install(ZERO_CODE.patches())
    ZERO_CODE.switch.start()
    yield
    ZERO_CODE.switch.stop()
    uninstall(ZERO_CODE.patches())


def test_patched_classes_trace_every_channel_once(connection: Any, queue: str, spans: Spans, patched: None) -> None:
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"value")
    consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    assert [span.name for span in spans.ended] == [f"publish {queue}", f"ack {queue}", f"process {queue}"]


def test_a_traced_channel_of_a_patched_class_is_traced_once(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    instrument(connection.channel()).basic_publish("", queue, b"value")
    assert len(spans.sent) == 1


def test_a_channel_that_was_traced_before_its_class_is_traced_once(channel: Any, queue: str, spans: Spans) -> None:
    install(PATCHES)
    try:
        channel.basic_publish("", queue, b"value")
        consumed(channel, queue, lambda channel, method, *_: channel.basic_ack(method.delivery_tag))
    finally:
        uninstall(PATCHES)
    assert [span.name for span in spans.ended] == [f"publish {queue}", f"ack {queue}", f"process {queue}"]


def test_a_message_of_basic_get_is_current_until_the_next_one(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    channel = connection.channel()
    channel.basic_publish("", queue, b"value")
    channel.basic_get(queue, auto_ack=True)
    seen = trace_id()
    channel.basic_get(queue)
    assert (seen, trace_id()) == (context_of(spans.sent[0]).trace_id, 0)


def test_a_message_of_a_channel_that_the_broker_closed_is_over_when_another_gives_one(
    connection: Any, queue: str, spans: Spans, patched: None
) -> None:
    failing, other = connection.channel(), connection.channel()
    other.confirm_delivery()
    other.basic_publish("", queue, b"value")
    failing.basic_get(queue, auto_ack=True)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        failing.queue_declare("nowhere", passive=True)
    other.basic_get(queue)
    assert (len(spans.processed), trace_id()) == (1, 0)


def test_a_replacement_that_is_replaced_again_is_called_once() -> None:
    """As when a drop-in class is made of a class that is patched already."""

    @wraps_once
    def wrap(original: Callable[[], list[str]]) -> Callable[[], list[str]]:
        return lambda: ["ours", *original()]

    assert wrap(wrap(lambda: ["the client's"]))() == ["ours", "the client's"]


def test_uninstalling_leaves_the_classes_as_they_were() -> None:
    before = [dict(vars(kind)) for kind in (Channel, BlockingChannel)]
    install(ZERO_CODE.patches())
    uninstall(ZERO_CODE.patches())
    after = [dict(vars(kind)) for kind in (Channel, BlockingChannel)]
    assert after == before


def test_nothing_keeps_a_channel_alive(connection: Any, queue: str, spans: Spans) -> None:
    channel = instrument(connection.channel())
    channel.basic_publish("", queue, b"value")
    with process(fetched(channel, queue)):
        pass
    channel.close()
    channel = weakref.ref(channel)
    gc.collect()
    assert channel() is None
