"""FastStream on Kafka: one trace through producer, handler, retry and dead letters; whatever the headers hold."""

import asyncio
import gc
import logging
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from faststream import AckPolicy
from faststream.exceptions import AckMessage, NackMessage, SkipMessage
from faststream.kafka.response import KafkaPublishCommand
from faststream.response import PublishType
from opentelemetry import baggage, context, trace
from opentelemetry.trace import SpanKind, StatusCode

from tests.frameworks.faststream.conftest import (
    KINDS,
    PATIENCE,
    Kafka,
    Message,
    Seen,
    context_headers,
    named,
    parent_of,
    trace_of,
    values,
)
from unbroken import process
from unbroken.frameworks.faststream import Records, UnbrokenMiddleware, forward
from unbroken.testing import Spans

tracer = trace.get_tracer("shop")


def of_kind(spans: Spans, kind: SpanKind) -> list[Any]:
    return [span for span in spans.finished if span.kind is kind]


async def test_producer_handler_retry_and_dead_letter_are_one_trace(shop: Kafka, spans: Spans, seen: Seen) -> None:
    orders, retries, dead = shop.topic("orders"), shop.topic("retry"), shop.topic("dead")
    broker = shop.broker(UnbrokenMiddleware)

    @broker.subscriber(**shop.reading(orders))
    async def handle(body: str, message: Message) -> None:
        await broker.publish(body, retries, headers=forward(message, error=TimeoutError("the bank")))

    @broker.subscriber(**shop.reading(retries))
    async def again(body: str, message: Message) -> None:
        await broker.publish(body, dead, headers=forward(message, error=ValueError("still")))

    @broker.subscriber(**shop.reading(dead))
    async def bury(body: str, message: Message) -> None:
        seen.note(message.headers)

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            await broker.publish("1", orders, headers={"user": "yes"})
        (headers,) = await seen.arrived(1)
    assert headers["user"] == "yes"
    assert headers["unbroken-attempt"] == "2"
    assert headers["unbroken-error"] == "ValueError: still"
    steps = [
        f"send {orders}",
        f"process {orders}",
        f"send {retries}",
        f"process {retries}",
        f"send {dead}",
        f"process {dead}",
    ]
    parent = order.get_span_context().span_id
    for step in steps:
        (span,) = named(spans, step)
        assert (trace_of(span), parent_of(span)) == (trace_of(order), parent), step
        parent = span.get_span_context().span_id


async def test_a_record_has_one_traceparent_after_each_hop(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders, dead = quick.topic(), quick.topic("dead")
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str, message: Message) -> None:
        await broker.publish(body, dead, headers=message.headers, partition=0)
        seen.note(1)

    trace_id, headers = context_headers()
    quick.write(orders, (b'"1"', [("Traceparent", headers[0][1])]))
    async with broker:
        await broker.start()
        await seen.arrived(1)
    (record,) = quick.read(dead, 1)
    (sent,) = named(spans, f"send {dead}")
    expected = f"00-{trace_id:032x}-{sent.get_span_context().span_id:016x}-"
    assert [value.decode()[:53] for value in values(record, "traceparent")] == [expected]


async def test_the_process_span_tells_where_the_record_is_and_who_reads_it(
    quick: Kafka, spans: Spans, seen: Seen
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware, client_id="shop")

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        await broker.publish("1", orders, key=b"key", partition=0)
        await seen.arrived(1)
    (span,) = named(spans, f"process {orders}")
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": orders,
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.kafka.message.key": "key",
        "messaging.consumer.group.name": f"{orders}-group",
        "messaging.client.id": "shop",
    }
    (sent,) = named(spans, f"send {orders}")
    assert sent.attributes["messaging.kafka.offset"] == 0
    assert sent.attributes["messaging.destination.partition.id"] == "0"


async def test_what_a_handler_returns_is_published_in_its_trace(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders, paid = quick.topic(), quick.topic("paid")
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    @broker.publisher(paid)
    async def handle(body: str) -> str:
        return "paid"

    @broker.subscriber(**quick.reading(paid))
    async def tell(body: str) -> None:
        seen.note()

    trace_id, headers = context_headers()
    quick.write(orders, (b'"1"', headers))
    async with broker:
        await broker.start()
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_id
    (handled,), (sent,) = named(spans, f"process {orders}"), named(spans, f"send {paid}")
    assert parent_of(sent) == handled.get_span_context().span_id
    assert sent.end_time < handled.end_time


async def test_a_reply_is_published_in_the_trace_of_the_request(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders, replies = quick.topic(), quick.topic("replies")
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str) -> str:
        return "paid"

    @broker.subscriber(**quick.reading(replies))
    async def take(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        with tracer.start_as_current_span("order") as order:
            await broker.publish("1", orders, reply_to=replies)
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_of(order)


BAD: list[list[tuple[str, Any]]] = [
    [("traceparent", b"\xff\xfe\x00")],
    [("traceparent", None)],
    [("traceparent", b"not a context")],
    [("tracestate", b"\xff"), ("baggage", b"\xff"), ("traceparent", b"")],
    [("picture", b"\x89PNG\xff"), ("nothing", None)],
]


@pytest.mark.parametrize("headers", BAD, ids=[str(bad[0]) for bad in BAD])
async def test_a_bad_header_hides_no_record_from_its_handler(
    quick: Kafka, spans: Spans, seen: Seen, headers: list[tuple[str, Any]]
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str, message: Message) -> None:
        raw = message.raw_message.headers
        seen.note((body, message.headers.get("user"), dict(raw() if callable(raw) else raw)))

    given = [*headers, ("user", b"yes")]
    quick.write(orders, (b'"1"', given))
    async with broker:
        await broker.start()
        ((body, user, raw),) = await seen.arrived(1)
    assert (body, user) == ("1", "yes")
    assert raw == dict(given)


@pytest.mark.parametrize("headers", BAD, ids=[str(bad[0]) for bad in BAD])
async def test_a_bad_header_hides_no_batch_from_its_handler(
    quick: Kafka, spans: Spans, seen: Seen, headers: list[tuple[str, Any]]
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    trace_id, good = context_headers()

    @broker.subscriber(**quick.reading(orders, batch=True))
    async def handle(bodies: list[str], records: Records) -> None:
        for body, record in zip(bodies, records, strict=True):
            with process(record) as span:
                seen.note((body, trace_of(span)))

    quick.write(orders, (b'"1"', headers), (b'"2"', good))
    async with broker:
        await broker.start()
        first, second = await seen.arrived(2)
    assert (first[0], second) == ("1", ("2", trace_id))


async def test_each_record_of_a_batch_has_its_own_context(shop: Kafka, spans: Spans, seen: Seen) -> None:
    orders = shop.topic()
    broker = shop.broker(UnbrokenMiddleware)
    made = [context_headers(number) for number in range(5)]

    @broker.subscriber(**shop.reading(orders, batch=True))
    async def handle(bodies: list[str], records: Records) -> None:
        record: Any
        for record in records:
            with process(record) as span:
                seen.note(trace_of(span))
        seen.note(0)

    shop.write(orders, *((b'"1"', headers) for _, headers in made))
    async with broker:
        await broker.start()
        arrived: list[int] = []
        while len([one for one in arrived if one]) < len(made):
            arrived += await seen.arrived(1)
        await seen.arrived(1)
    assert [one for one in arrived if one] == [trace_id for trace_id, _ in made]
    linked = [link.context.trace_id for span in named(spans, f"poll {orders}") for link in span.links]
    assert linked == [trace_id for trace_id, _ in made]


async def test_a_batch_is_published_with_one_context_in_each_record(shop: Kafka, spans: Spans, seen: Seen) -> None:
    orders = shop.topic()
    broker = shop.broker(UnbrokenMiddleware)
    async with broker:
        with tracer.start_as_current_span("order") as order:
            await broker.publish_batch("1", "2", "3", topic=orders, partition=0, headers={"user": "yes"})
    (sent,) = named(spans, f"send {orders}")
    assert sent.attributes["messaging.batch.message_count"] == 3
    assert parent_of(sent) == order.get_span_context().span_id
    expected = f"00-{trace_of(order):032x}-{sent.get_span_context().span_id:016x}-"
    for record in shop.read(orders, 3):
        assert [value.decode()[:53] for value in values(record, "traceparent")] == [expected]


async def test_a_null_value_reaches_its_handler_inside_its_trace(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(message: Message) -> None:
        seen.note()

    trace_id, headers = context_headers()
    quick.write(orders, (None, headers))
    async with broker:
        await broker.start()
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_id
    assert named(spans, f"process {orders}")[0].attributes["messaging.kafka.message.tombstone"] is True


async def test_a_failed_handler_marks_its_span_and_the_next_record_is_in_its_own_trace(
    quick: Kafka, spans: Spans, seen: Seen
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str) -> None:
        seen.note()
        if body == "1":
            raise ValueError("poison")

    (first, one), (second, two) = context_headers(1), context_headers(2)
    quick.write(orders, (b'"1"', one), (b'"2"', two))
    async with broker:
        await broker.start()
        assert [trace_of(span) for span in await seen.arrived(2)] == [first, second]
    failed, fine = named(spans, f"process {orders}")
    assert (failed.status.status_code, fine.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert failed.attributes["error.type"] == "ValueError"
    assert [event.name for event in failed.events] == ["exception"]


@pytest.mark.parametrize("told", [AckMessage(), NackMessage(), SkipMessage()], ids=lambda told: type(told).__name__)
async def test_what_a_handler_tells_to_become_of_its_message_is_no_error(
    embedded: str, spans: Spans, seen: Seen, told: Exception
) -> None:
    quick = Kafka(KINDS[0], embedded, embedded=True)
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders, ack_policy=AckPolicy.ACK))
    async def handle(body: str) -> None:
        seen.note()
        if len(named(spans, f"process {orders}")) == 0:
            raise told

    quick.write(orders, (b'"1"', []), (b'"2"', []))
    async with broker:
        await broker.start()
        await seen.arrived(2)
    assert {span.status.status_code for span in named(spans, f"process {orders}")} == {StatusCode.UNSET}


async def test_the_exception_of_a_handler_is_logged_as_without_the_middleware(
    quick: Kafka, spans: Spans, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[list[tuple[str, str]]] = []
    for middlewares in ((), (UnbrokenMiddleware,)):
        orders = quick.topic()
        broker = quick.kind.broker(
            quick.bootstrap,
            middlewares=middlewares,
            allow_auto_create_topics=False,
            logger=logging.getLogger("shop"),
            log_level=logging.DEBUG,
        )

        @broker.subscriber(**quick.reading(orders))
        async def handle(body: int) -> None:
            seen.note(body)
            if body == 1:
                raise ValueError("poison")

        caplog.clear()
        quick.write(orders, (b"no number", []), (b"1", []), (b"2", []))
        with caplog.at_level(logging.ERROR, "shop"):
            async with broker:
                await broker.start()
                assert await seen.arrived(2) == [1, 2]
        told.append(
            [(line.levelname, line.getMessage().partition("\n")[0]) for line in caplog.records if line.name == "shop"]
        )
    assert told[0] == told[1]
    assert len(told[0]) == 2


async def test_a_record_that_cannot_be_parsed_is_an_error_of_its_span(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    def parser(message: Any) -> Any:
        seen.note()
        raise LookupError("no such schema")

    @broker.subscriber(**quick.reading(orders), parser=parser)
    async def handle(body: str) -> None:
        pass

    trace_id, headers = context_headers()
    quick.write(orders, (b'"1"', [*headers]))
    async with broker:
        await broker.start()
        (span,) = await seen.arrived(1)
        assert trace_of(span) == trace_id
    (span,) = named(spans, f"process {orders}")
    assert span.attributes["error.type"] == "LookupError"


async def test_the_block_of_the_same_record_in_the_handler_is_the_same_block(
    quick: Kafka, spans: Spans, seen: Seen
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str, message: Message) -> None:
        outside = trace.get_current_span()
        with process(message.raw_message) as inside:
            seen.note((outside, inside))

    quick.write(orders, (b'"1"', []))
    async with broker:
        await broker.start()
        ((outside, inside),) = await seen.arrived(1)
    assert outside is inside
    assert len(of_kind(spans, SpanKind.CONSUMER)) == 1


async def test_the_middleware_given_twice_is_once(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware, UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str) -> None:
        seen.note()

    async with broker:
        await broker.start()
        await broker.publish("1", orders)
        await seen.arrived(1)
    assert [span.name for span in spans.finished] == [f"send {orders}", f"process {orders}"]


async def test_nothing_of_a_record_is_left_in_the_task_that_reads(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    ambient = Seen()

    class Outside(UnbrokenMiddleware):
        """Entered around another middleware: what it sees is what is left of the record before."""

        async def on_receive(self) -> None:
            ambient.note(context.get_current())

        async def after_processed(self, *error: Any) -> bool:
            ambient.note(context.get_current())
            return False

    broker = quick.broker(Outside, UnbrokenMiddleware)

    @broker.subscriber(**quick.reading(orders))
    async def handle(body: str) -> None:
        seen.note(baggage.get_baggage("user"))
        raise ValueError("poison")

    _, headers = context_headers()
    quick.write(orders, (b'"1"', [*headers, ("baggage", b"user=1")]), (b'"2"', headers))
    async with broker:
        await broker.start()
        assert await seen.arrived(1) == ["1"]
        assert await ambient.arrived(4) == [context.Context()] * 4


async def test_records_handled_at_once_are_each_in_their_own_trace(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    together = asyncio.Barrier(3) if hasattr(asyncio, "Barrier") else None

    @broker.subscriber(**quick.reading(orders, max_workers=3, ack_policy=AckPolicy.ACK_FIRST))
    async def handle(body: int) -> None:
        if together is not None:
            await together.wait()
        seen.note((body, trace_of(trace.get_current_span())))

    made = [context_headers(number) for number in range(3)]
    quick.write(orders, *((b"%d" % number, headers) for number, (_, headers) in enumerate(made)))
    async with broker:
        await broker.start()
        arrived = await seen.arrived(3)
    assert sorted(arrived) == [(number, trace_id) for number, (trace_id, _) in enumerate(made)]


async def test_a_synchronous_handler_runs_in_its_trace(quick: Kafka, spans: Spans, seen: Seen) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    loop = asyncio.get_running_loop()

    @broker.subscriber(**quick.reading(orders))
    def handle(body: str) -> None:
        loop.call_soon_threadsafe(seen.note, trace.get_current_span())

    trace_id, headers = context_headers()
    quick.write(orders, (b'"1"', headers))
    async with broker:
        await broker.start()
        (span,) = await seen.arrived(1)
    assert trace_of(span) == trace_id


async def test_a_message_that_is_fetched_has_no_span_until_it_is_processed(
    quick: Kafka, spans: Spans, seen: Seen
) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    subscriber = broker.subscriber(**quick.reading(orders))
    trace_id, headers = context_headers()
    quick.write(orders, (b'"1"', headers))
    async with broker:
        await broker.start()
        message = await subscriber.get_one(timeout=PATIENCE)
        assert spans.finished == []
        with process(message.raw_message) as span:
            assert trace_of(span) == trace_id


async def test_the_headers_of_the_application_are_not_changed(quick: Kafka, spans: Spans) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    headers = {"user": "yes"}
    async with broker:
        await broker.publish("1", orders, headers=headers)
    assert headers == {"user": "yes"}


async def test_the_span_of_an_unconfirmed_publish_ends_with_its_confirmation(quick: Kafka, spans: Spans) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    async with broker:
        confirmation = await broker.publish("1", orders, partition=0, no_confirm=True)
        await confirmation
        await asyncio.sleep(0)
    (sent,) = named(spans, f"send {orders}")
    assert sent.attributes["messaging.kafka.offset"] == 0


async def test_a_publish_that_fails_marks_its_span_and_raises(quick: Kafka, spans: Spans) -> None:
    orders = quick.topic()
    broker = quick.broker(UnbrokenMiddleware)
    async with broker:
        with pytest.raises((KafkaError, KafkaException)) as raised:
            await broker.publish("1" * 2_000_000, orders)
    (sent,) = named(spans, f"send {orders}")
    assert sent.status.status_code is StatusCode.ERROR
    assert sent.attributes["error.type"] == f"{raised.type.__module__}.{raised.type.__qualname__}"


async def test_a_failure_that_the_application_ignores_is_still_told_by_asyncio(
    embedded: str, spans: Spans, seen: Seen
) -> None:
    quick = Kafka(KINDS[0], embedded, embedded=True)
    orders = quick.topic()
    told = Seen()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.note(context["message"]))
    broker = quick.broker(UnbrokenMiddleware)
    async with broker:
        pending = [asyncio.get_running_loop().create_future()]
        middleware = UnbrokenMiddleware(None, context=broker.context)
        command = KafkaPublishCommand("1", topic=orders, _publish_type=PublishType.PUBLISH)

        async def publish(command: Any) -> Any:
            return pending[0]

        await middleware.publish_scope(publish, command)
        pending[0].set_exception(TimeoutError("no broker"))
        await asyncio.sleep(0)
        pending.clear()
        gc.collect()
        assert await told.arrived(1) == ["Future exception was never retrieved"]
    (sent,) = named(spans, f"send {orders}")
    assert sent.attributes["error.type"] == "TimeoutError"
