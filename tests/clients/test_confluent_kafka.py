"""confluent-kafka: its delivery callbacks, its shapes of headers, its error messages, its asyncio producer."""

import asyncio
import socket
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import SpanKind, StatusCode

from tests.contract.conftest import Spans, context_of
from unbroken import Policy, configure, forward, inject, process, receive
from unbroken.clients.confluent_kafka import Consumer, Producer, SerializingProducer, ShareConsumer

needs_aio = pytest.mark.skipif(
    find_spec("confluent_kafka.aio") is None, reason="this version of confluent-kafka has no asyncio clients"
)


class Reports:
    """A delivery callback that remembers its calls and the span that was current in each."""

    def __init__(self) -> None:
        self.calls: list[tuple[KafkaError | None, Any]] = []
        self.spans: list[int] = []

    def __call__(self, error: KafkaError | None, message: Any) -> None:
        self.calls.append((error, message))
        self.spans.append(trace.get_current_span().get_span_context().span_id)


@pytest.fixture
def producer(embedded: str) -> Iterator[Producer]:
    producer = Producer({"bootstrap.servers": embedded})
    yield producer
    producer.flush(10)


@pytest.fixture
def nowhere() -> Iterator[dict[str, Any]]:
    """The configuration of a producer whose broker is a port where nobody answers."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield {
            "bootstrap.servers": f"127.0.0.1:{reserved.getsockname()[1]}",
            "message.timeout.ms": 100,
            "log_level": 0,
        }


def consumed(bootstrap: str, topic: str, **config: Any) -> Any:
    """The first message of the topic, or what the client gives instead."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", **config})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(10)
        assert message is not None
        return message
    finally:
        consumer.close()


def test_the_drop_in_classes_are_the_classes_of_the_client() -> None:
    assert issubclass(Producer, confluent_kafka.Producer)
    assert issubclass(Consumer, confluent_kafka.Consumer)
    assert issubclass(SerializingProducer, confluent_kafka.SerializingProducer)


@pytest.fixture(params=[CompositePropagator([]), W3CBaggagePropagator()], ids=["none", "baggage"])
def spanless(request: pytest.FixtureRequest) -> Iterator[None]:
    """A global propagator that carries no span, as OTEL_PROPAGATORS=none makes one."""
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(request.param)
    yield
    propagate.set_global_textmap(before)


def test_a_propagator_that_carries_no_span_is_kept_to(
    producer: Producer, topic: str, spans: Spans, embedded: str, spanless: None
) -> None:
    producer.produce(topic, b"value", partition=0)
    producer.flush(10)
    assert len(spans.sent) == 1
    assert consumed(embedded, topic).headers() is None


def test_a_traceparent_that_no_propagator_in_use_writes_is_forwarded_as_it_was(
    topic: str, spans: Spans, embedded: str, spanless: None
) -> None:
    plain = confluent_kafka.Producer({"bootstrap.servers": embedded})
    carried = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    plain.produce(topic, b"value", partition=0, headers=[carried])
    plain.flush(10)
    message = consumed(embedded, topic)
    with process(message):
        assert carried in forward(message)


@pytest.mark.parametrize("name", ["callback", "on_delivery"])
def test_the_callback_of_a_message_is_called(producer: Producer, topic: str, spans: Spans, name: str) -> None:
    reports = Reports()
    producer.produce(topic, b"value", **{name: reports})  # type: ignore[arg-type]
    producer.flush(10)
    assert [(error, message.topic()) for error, message in reports.calls] == [(None, topic)]


def test_the_callback_by_position_is_called(producer: Producer, topic: str, spans: Spans) -> None:
    reports = Reports()
    producer.produce(topic, b"value", b"key", 0, reports)
    producer.flush(10)
    assert len(reports.calls) == 1


def test_the_callback_of_the_configuration_is_called(embedded: str, topic: str, spans: Spans) -> None:
    reports = Reports()
    producer = Producer({"bootstrap.servers": embedded, "on_delivery": reports})
    producer.produce(topic, b"value")
    producer.flush(10)
    assert len(reports.calls) == 1


def test_the_callback_of_a_message_comes_before_that_of_the_configuration(
    embedded: str, topic: str, spans: Spans
) -> None:
    general, own = Reports(), Reports()
    producer = Producer({"bootstrap.servers": embedded, "on_delivery": general})
    producer.produce(topic, b"value", on_delivery=own)
    producer.flush(10)
    assert (len(general.calls), len(own.calls)) == (0, 1)


@pytest.mark.parametrize("setting", [True, "true", "1"])
def test_only_errors_are_reported_where_the_application_wants_only_errors(
    embedded: str, topic: str, spans: Spans, setting: object
) -> None:
    reports = Reports()
    producer = Producer({"bootstrap.servers": embedded, "delivery.report.only.error": setting})
    producer.produce(topic, b"value", on_delivery=reports)
    producer.flush(10)
    assert (reports.calls, len(spans.sent)) == ([], 1)


def test_an_error_is_reported_where_the_application_wants_only_errors(
    nowhere: dict[str, Any], topic: str, spans: Spans
) -> None:
    reports = Reports()
    producer = Producer({**nowhere, "delivery.report.only.error": True})
    producer.produce(topic, b"value", on_delivery=reports)
    producer.flush(10)
    assert len(reports.calls) == 1


def test_the_callback_runs_in_the_trace_of_its_message(producer: Producer, topic: str, spans: Spans) -> None:
    reports = Reports()
    producer.produce(topic, b"value", on_delivery=reports)
    producer.flush(10)
    assert reports.spans == [context_of(spans.sent[0]).span_id]


def test_an_error_of_the_callback_comes_out_of_flush(producer: Producer, topic: str, spans: Spans) -> None:
    def report(error: KafkaError | None, message: Any) -> None:
        raise LookupError(topic)

    producer.produce(topic, b"value", on_delivery=report)
    with pytest.raises(LookupError):
        producer.flush(10)


def test_a_message_that_no_broker_takes_in_time_names_the_error(
    nowhere: dict[str, Any], topic: str, spans: Spans
) -> None:
    producer = Producer(nowhere)
    producer.produce(topic, b"value")
    producer.flush(10)
    assert (spans.sent[0].attributes or {})["error.type"] == "_MSG_TIMED_OUT"


def test_a_partition_that_is_not_there_names_the_error(producer: Producer, topic: str, spans: Spans) -> None:
    producer.produce(topic, b"value", partition=77)
    producer.flush(10)
    assert (spans.sent[0].attributes or {})["error.type"] == "_UNKNOWN_PARTITION"


def test_a_full_queue_marks_the_span_and_is_raised(nowhere: dict[str, Any], topic: str, spans: Spans) -> None:
    producer = Producer({**nowhere, "queue.buffering.max.messages": 1})
    producer.produce(topic, b"value")
    with pytest.raises(BufferError):
        producer.produce(topic, b"value")
    assert (spans.sent[0].attributes or {})["error.type"] == "BufferError"
    producer.flush(10)


def test_a_purged_message_ends_its_span(nowhere: dict[str, Any], topic: str, spans: Spans) -> None:
    producer = Producer(nowhere)
    producer.produce(topic, b"value")
    producer.purge()
    producer.flush(10)
    assert (spans.sent[0].attributes or {})["error.type"] == "_PURGE_QUEUE"


def test_a_dict_of_headers_goes_with_the_context(producer: Producer, embedded: str, topic: str, spans: Spans) -> None:
    headers = {"tenant": "a", "null": None, "octets": b"\xff"}
    producer.produce(topic, b"value", partition=0, headers=headers)
    producer.flush(10)
    arrived = consumed(embedded, topic).headers()
    assert arrived[:3] == [("tenant", b"a"), ("null", None), ("octets", b"\xff")]
    assert [name for name, _ in arrived[3:]] == ["traceparent"]


def test_headers_by_position_go_with_the_context(producer: Producer, topic: str, spans: Spans, embedded: str) -> None:
    producer.produce(topic, b"value", None, 0, None, None, 0, [("tenant", b"acme")])
    producer.flush(10)
    assert [name for name, _ in consumed(embedded, topic).headers() or ()] == ["tenant", "traceparent"]


def test_a_dict_of_headers_is_not_changed(producer: Producer, topic: str, spans: Spans) -> None:
    headers = {"tenant": "a"}
    producer.produce(topic, b"value", headers=headers)
    producer.flush(10)
    assert headers == {"tenant": "a"}


def test_headers_whose_values_are_text_go_with_the_context(
    producer: Producer, embedded: str, topic: str, spans: Spans
) -> None:
    producer.produce(topic, b"value", partition=0, headers=[("tenant", "a"), ("null", None)])
    producer.flush(10)
    assert consumed(embedded, topic).headers()[:2] == [("tenant", b"a"), ("null", None)]


@pytest.mark.skipif(not hasattr(confluent_kafka.Producer, "produce_batch"), reason="this version has no produce_batch")
def test_produce_batch_says_that_it_cannot_carry_context(producer: Producer, topic: str, spans: Spans) -> None:
    with pytest.warns(RuntimeWarning, match="cannot carry headers"):
        producer.produce_batch(topic, [{"value": b"one"}, {"value": b"two"}])
    producer.flush(10)


@pytest.mark.skipif(not hasattr(confluent_kafka.Producer, "produce_batch"), reason="this version has no produce_batch")
def test_produce_batch_says_so_once(producer: Producer, topic: str, spans: Spans) -> None:
    with pytest.warns(RuntimeWarning):
        producer.produce_batch(topic, [{"value": b"one"}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        producer.produce_batch(topic, [{"value": b"two"}])
    producer.flush(10)


def test_the_end_of_a_partition_is_an_empty_block(producer: Producer, embedded: str, topic: str, spans: Spans) -> None:
    producer.produce(topic, b"value", partition=0)
    producer.flush(10)
    with trace.get_tracer("test").start_as_current_span("loop") as loop:
        end = end_of(embedded, topic)
        with process(end):
            assert trace.get_current_span() is loop
    assert spans.processed == []


def test_the_end_of_a_partition_is_not_counted_in_a_batch(
    producer: Producer, embedded: str, topic: str, spans: Spans
) -> None:
    producer.produce(topic, b"value", partition=0)
    producer.flush(10)
    with receive([consumed(embedded, topic), end_of(embedded, topic)]):
        pass
    assert (spans.named(f"poll {topic}").attributes or {})["messaging.batch.message_count"] == 1


def end_of(bootstrap: str, topic: str) -> Any:
    """The event that a consumer gets at the end of an empty partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, confluent_kafka.OFFSET_END)])
    try:
        event = consumer.poll(10)
    finally:
        consumer.close()
    assert event is not None
    error = event.error()
    assert error is not None
    assert error.code() == KafkaError._PARTITION_EOF
    return event


def test_a_suppressed_message_is_sent_as_it_is(producer: Producer, embedded: str, topic: str, spans: Spans) -> None:
    with suppress_instrumentation():
        producer.produce(topic, b"value", partition=0)
    producer.flush(10)
    assert consumed(embedded, topic).headers() is None
    assert spans.sent == []


def test_a_message_of_an_ignored_topic_is_sent_as_it_is(
    producer: Producer, embedded: str, topic: str, spans: Spans
) -> None:
    before = configure(Policy(ignore=(topic,)))
    try:
        producer.produce(topic, b"value", partition=0)
    finally:
        configure(before)
    producer.flush(10)
    assert consumed(embedded, topic).headers() is None


def test_a_context_of_another_trace_is_kept_and_linked(
    producer: Producer, embedded: str, topic: str, spans: Spans
) -> None:
    with trace.get_tracer("test").start_as_current_span("creation") as creation:
        headers = inject()
    with trace.get_tracer("test").start_as_current_span("relay"):
        producer.produce(topic, b"value", partition=0, headers=headers)
    producer.flush(10)
    assert consumed(embedded, topic).headers() == headers
    (sent,) = [span for span in spans.of(SpanKind.CLIENT) if span.name == f"send {topic}"]
    assert [link.context.span_id for link in sent.links] == [creation.get_span_context().span_id]


def test_a_serializer_runs_inside_the_send_span(embedded: str, topic: str, spans: Spans) -> None:
    seen = []

    def serialize(value: Any, context: object) -> bytes:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return bytes(value)

    producer = SerializingProducer({"bootstrap.servers": embedded, "value.serializer": serialize})
    producer.produce(topic, value=b"value")
    producer.flush(10)
    assert seen == [context_of(spans.sent[0]).span_id]


def test_a_producer_takes_its_configuration_by_name(embedded: str, topic: str, spans: Spans) -> None:
    producer = Producer(**{"bootstrap.servers": embedded, "client.id": "by-name"})
    producer.produce(topic, b"value")
    producer.flush(10)
    assert (spans.sent[0].attributes or {})["messaging.client.id"] == "by-name"


def test_the_key_is_left_out_where_the_policy_says_so(
    producer: Producer, embedded: str, topic: str, spans: Spans
) -> None:
    before = configure(Policy(message_key=False))
    try:
        producer.produce(topic, b"value", key=b"secret", partition=0)
        producer.flush(10)
        with process(consumed(embedded, topic)):
            pass
    finally:
        configure(before)
    keys = [(span.attributes or {}).get("messaging.kafka.message.key") for span in spans.ended]
    assert keys == [None, None]


def test_only_errors_are_reported_also_where_the_mapping_is_given_by_name(
    embedded: str, topic: str, spans: Spans
) -> None:
    reports = Reports()
    config = {"bootstrap.servers": embedded, "client.id": "named", "delivery.report.only.error": True}
    producer = SerializingProducer(conf=config)
    producer.produce(topic, value=b"value", on_delivery=reports)
    producer.flush(10)
    assert (reports.calls, [(span.attributes or {})["messaging.client.id"] for span in spans.sent]) == ([], ["named"])


@needs_aio
async def test_an_asyncio_consumer_knows_a_configuration_given_by_name(embedded: str) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOConsumer

    async with AIOConsumer(consumer_conf={"bootstrap.servers": embedded, "group.id": "payments"}) as consumer:
        assert consumer.unbroken_attributes["messaging.consumer.group.name"] == "payments"


@needs_aio
async def test_an_asyncio_producer_ignores_a_callback_as_the_client_does(
    embedded: str, topic: str, spans: Spans
) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    reports = Reports()
    async with AIOProducer({"bootstrap.servers": embedded}) as producer:
        await (await producer.produce(topic, b"value", on_delivery=reports))
    assert reports.calls == []


@pytest.mark.skipif(hasattr(confluent_kafka, "ShareConsumer"), reason="this version has a ShareConsumer")
def test_a_share_consumer_of_an_old_client_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        ShareConsumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g"})


@needs_aio
async def test_the_future_of_an_asyncio_producer_gives_the_message(embedded: str, topic: str, spans: Spans) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer({"bootstrap.servers": embedded}) as producer:
        message = await (await producer.produce(topic, b"value", partition=0, headers=[("tenant", b"a")]))
    assert (message.topic(), message.offset()) == (topic, 0)
    assert consumed(embedded, topic).headers()[0] == ("tenant", b"a")


@needs_aio
async def test_the_future_of_an_asyncio_producer_gives_the_error(
    nowhere: dict[str, Any], topic: str, spans: Spans
) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer(nowhere) as producer:
        with pytest.raises(KafkaException, match="timed out"):
            await (await producer.produce(topic, b"value"))
    assert spans.sent[0].status.status_code is StatusCode.ERROR


@needs_aio
async def test_a_refusal_of_an_asyncio_producer_names_its_error(embedded: str, topic: str, spans: Spans) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer({"bootstrap.servers": embedded, "message.max.bytes": 1000}) as producer:
        refused = await producer.produce(topic, b"x" * 2000)
        with pytest.raises(KafkaException):  # as in the client, it is the future that raises
            await refused
    assert (spans.sent[0].attributes or {})["error.type"] == "MSG_SIZE_TOO_LARGE"


@needs_aio
async def test_a_cancelled_future_of_an_asyncio_producer_ends_its_span(embedded: str, topic: str, spans: Spans) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer({"bootstrap.servers": embedded}) as producer:
        future = await producer.produce(topic, b"value")
        future.cancel()
        await producer.flush()
    assert len(spans.sent) == 1


@needs_aio
async def test_asyncio_producers_wait_while_the_queue_is_full(embedded: str, topic: str, spans: Spans) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer({"bootstrap.servers": embedded, "queue.buffering.max.messages": 2}) as producer:
        futures = [await producer.produce(topic, b"%d" % number, partition=0) for number in range(20)]
        offsets = [message.offset() for message in await asyncio.gather(*futures)]
    assert offsets == list(range(20))


@needs_aio
async def test_a_forwarded_message_goes_through_an_asyncio_producer(embedded: str, topic: str, spans: Spans) -> None:
    from unbroken.clients.confluent_kafka.aio import AIOProducer

    async with AIOProducer({"bootstrap.servers": embedded}) as producer:
        await (await producer.produce(topic, b"value", partition=0))
        message = consumed(embedded, topic)
        with process(message) as span:
            again = f"{topic}-dlq"
            await (await producer.produce(again, b"value", partition=0, headers=forward(message)))
    with process(consumed(embedded, again)) as last:
        assert last.get_span_context().trace_id == span.get_span_context().trace_id


def test_what_a_consumer_knows_needs_no_broker(nowhere: dict[str, Any]) -> None:
    consumer = Consumer({**nowhere, "group.id": "payments", "client.id": "p1"})
    assert consumer.unbroken_attributes["messaging.consumer.group.name"] == "payments"
    assert consumer.unbroken_attributes["messaging.client.id"] == "p1"
    assert consumer.unbroken_attributes["server.address"] == "127.0.0.1"
    consumer.close()


def test_a_message_of_a_subclass_is_read_by_its_own_methods(spans: Spans) -> None:
    class Stub(confluent_kafka.Message):
        def headers(self) -> Any:
            return [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]

    try:
        message = Stub("orders")
    except TypeError:
        pytest.skip("messages of this version cannot be made")
    with process(message) as span:
        assert span.get_span_context().trace_id == 0x0AF7651916CD43DD8448EB211C80319C
